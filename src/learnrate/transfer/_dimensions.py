"""Which dimensions of a model's parameters grow, from their shapes at two widths. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from learnrate._errors import ArgumentError
from learnrate.transfer._rules import Role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["Axes", "Growth", "growth", "matching_name", "template", "with_role"]

_NUMBER = re.compile(r"\d+")
_SAME = 1e-9


@dataclass(frozen=True)
class Axes:
    """Which axis of a weight is its fan-in and which its fan-out; None for neither.

    Attributes:
        fan_in: the axis that is summed over.
        fan_out: the axis of the outputs.
        known: whether the layer's type tells; otherwise it is a guess.
    """

    fan_in: int | None
    fan_out: int | None
    known: bool = True


@dataclass(frozen=True)
class Growth:
    """How a parameter grows from the base model to the model.

    Attributes:
        role: what grows in it.
        fan_in: the growth of its fan-in; 1 if that stays.
        fan_out: the growth of its fan-out; 1 if that stays.
        guessed: whether the role is a guess, because the parameter belongs to no known layer.
    """

    role: Role
    fan_in: float = 1.0
    fan_out: float = 1.0
    guessed: bool = False


def growth(name: str, base: tuple[int, ...], shape: tuple[int, ...], axes: Axes) -> Growth:
    """Work out the role of a parameter from its shapes.

    Args:
        name: the name of the parameter, for the error.
        base: its shape in the base model.
        shape: its shape in the model.
        axes: what its axes mean.

    Raises:
        ArgumentError: it has another number of axes, or more than two of them grow.

    Examples:
        >>> growth("head.weight", (10, 32), (10, 128), Axes(fan_in=1, fan_out=0)).role
        <Role.READOUT: 'readout'>
        >>> growth("fc.weight", (32, 32), (128, 128), Axes(fan_in=1, fan_out=0))
        Growth(role=<Role.HIDDEN: 'hidden'>, fan_in=4.0, fan_out=4.0, guessed=False)
    """
    if len(base) != len(shape):
        raise ArgumentError(
            f"parameter {name} has shape {base} in the base model and {shape} in the model; the "
            "two must be made by the same code."
        )
    grown = [axis for axis, size in enumerate(shape) if size != base[axis]]
    if len(grown) > 2:
        raise ArgumentError(
            f"parameter {name} grows along {len(grown)} axes, from {base} to {shape}; the rules of "
            "muP cover weights that grow along one or two."
        )
    by_axis = {axis: shape[axis] / base[axis] for axis in grown}
    if axes.known:
        fan_in = by_axis.pop(axes.fan_in, 1.0) if axes.fan_in is not None else 1.0
        fan_out = by_axis.pop(axes.fan_out, 1.0) if axes.fan_out is not None else 1.0
        if by_axis:
            raise ArgumentError(
                f"parameter {name} grows from {base} to {shape} along axis {next(iter(by_axis))}, "
                "which is neither its fan-in nor its fan-out; keep kernel sizes the same."
            )
        return Growth(_role(fan_in, fan_out), fan_in, fan_out)
    if len(by_axis) == 2:
        fan_out, fan_in = by_axis.values()
        if abs(fan_in - fan_out) > _SAME * fan_in:
            raise ArgumentError(
                f"parameter {name} belongs to no known layer and grows from {base} to {shape}: "
                "which axis is the fan-in cannot be told. Let both grow by the same factor."
            )
        return Growth(Role.HIDDEN, fan_in, fan_out)
    fan_out = next(iter(by_axis.values()), 1.0)
    # A matrix outside a known layer may be an embedding or a readout; a vector cannot read out.
    guessed = bool(by_axis) and sum(size > 1 for size in base) > 1
    return Growth(_role(1.0, fan_out), 1.0, fan_out, guessed)


def with_role(growth_of_shapes: Growth, role: Role) -> Growth:
    """The same growth with the role that the user states, for a parameter that grows along one axis."""
    factor = growth_of_shapes.fan_in * growth_of_shapes.fan_out
    if role is Role.READOUT:
        return Growth(role, fan_in=factor)
    return Growth(role, fan_out=factor)


def matching_name(name: str, base_names: Collection[str]) -> str | None:
    """The parameter of the base model that a parameter corresponds to; None if there is none.

    In a deeper model, a block that the base model lacks corresponds to the base model's first block.

    Args:
        name: the name of the parameter.
        base_names: the names of the base model's parameters, in their order.

    Examples:
        >>> matching_name("h.7.mlp.0.bias", ["h.0.mlp.0.bias", "h.1.mlp.0.bias"])
        'h.0.mlp.0.bias'
    """
    if name in base_names:
        return name
    parts = name.split(".")
    candidates = [other for other in base_names if _differ_in_one_number(parts, other.split("."))]
    return candidates[0] if candidates else None


def template(name: str) -> str:
    """A parameter's name without the numbers of its blocks.

    Examples:
        >>> template("h.7.mlp.0.bias")
        'h.#.mlp.#.bias'
    """
    return ".".join("#" if _NUMBER.fullmatch(part) else part for part in name.split("."))


def _differ_in_one_number(parts: list[str], others: list[str]) -> bool:
    if len(parts) != len(others):
        return False
    different = [pair for pair in zip(parts, others, strict=True) if pair[0] != pair[1]]
    return len(different) == 1 and _are_numbers(different[0])


def _are_numbers(parts: Iterable[str]) -> bool:
    return all(_NUMBER.fullmatch(part) for part in parts)


def _role(fan_in: float, fan_out: float) -> Role:
    if fan_in == 1.0:
        return Role.FIXED if fan_out == 1.0 else Role.INPUT
    return Role.READOUT if fan_out == 1.0 else Role.HIDDEN
