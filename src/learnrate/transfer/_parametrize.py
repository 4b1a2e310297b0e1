"""muP for a model: initial scales and factors of the forward pass, and the rates of its optimizer."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from learnrate._checks import refuse
from learnrate._errors import ArgumentError
from learnrate.transfer._depth import Depth, depth_of
from learnrate.transfer._dimensions import Growth, growth, matching_name, template, with_role
from learnrate.transfer._layers import ATTENTION_SCALES, Place, places
from learnrate.transfer._rules import Family, Multipliers, Role, multipliers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["ParameterRule", "Parametrization", "parametrization_of", "parametrize"]

_ATTRIBUTE = "learnrate_parametrization"
_STANDARD_ERRORS = 4.0  # within which a measured scale counts as that of a power of the width


@dataclass(frozen=True)
class ParameterRule:
    """The rule of muP for a parameter.

    Attributes:
        name: its name in the model.
        shape: its shape.
        base_shape: its shape in the base model.
        growth: what grows in it, and by how much.
        depth: the growth of the number of residual blocks, if it is in one; else 1.
        writes_residual: whether its product is added to the residual stream.
        in_forward: whether the factor of the forward pass stays there, because the parameter is
            shared between an embedding and a readout.
        init: the factor that its initial values were multiplied by.
    """

    name: str
    shape: tuple[int, ...]
    base_shape: tuple[int, ...]
    growth: Growth
    depth: float = 1.0
    writes_residual: bool = False
    in_forward: bool = False
    init: float = 1.0

    @property
    def role(self) -> Role:
        """Which sides of the parameter grow with the width."""
        return self.growth.role

    def multipliers(
        self, family: Family, *, coupled: bool = False, adjustment: float = 1.0
    ) -> Multipliers:
        """The factors of its rate, weight decay and epsilon.

        Args:
            family: the family of its optimizer.
            coupled: whether the weight decay is part of the gradient, as in `torch.optim.Adam`.
            adjustment: the growth of the factor that Muon itself gives the rate of this shape.
        """
        rule = multipliers(
            family,
            self.role,
            fan_in=self.growth.fan_in,
            fan_out=self.growth.fan_out,
            depth=self.depth,
            writes_residual=self.writes_residual,
            adjustment=adjustment,
        )
        return rule if self.in_forward else rule.absorbed(family, coupled=coupled)


@dataclass(frozen=True)
class Parametrization:
    """The result of `parametrize`: the rule of each parameter, and notes.

    Attributes:
        rules: the rules of every parameter that is trained, by name.
        notes: sentences on what was done to layers, what was guessed, and what cannot be expressed.
    """

    rules: Mapping[str, ParameterRule]
    notes: tuple[str, ...] = field(default=())


def parametrize(
    model: nn.Module,
    base: nn.Module,
    *,
    forward: Callable[[nn.Module], Any] | None = None,
    roles: Mapping[str, str] | None = None,
    absorb: bool = True,
) -> Parametrization:
    """Give a new model the maximal-update parametrization relative to a narrower one.

    The initial weights of `model` are scaled in place, once. `regroup` then gives its optimizer the
    rates. Both models are made by the same code with other widths, so that the dimensions that differ
    between them are those that grow. The factor of a readout is moved into its initial scale and its
    rate; where a readout shares its weight with an embedding, a hook multiplies the readout's input. A
    hook is not part of a `state_dict`: parametrize the model before you load one.

    Args:
        model: the model to train, with its initial weights.
        base: the model at the base width, for which the rate was found. It is not changed.
        forward: runs a model on a batch; needed only if the model is deeper than the base.
        roles: by parameter name `"input"`, `"hidden"`, `"readout"` or `"fixed"`, for parameters of
            your own layers, if their role does not follow from their shapes.
        absorb: whether the factor of a readout is moved into initial scale and rate. Otherwise a
            hook multiplies its input, as in the package `mup`.

    Raises:
        ArgumentError: the models do not correspond, or the model was parametrized already.

    Examples:
        >>> import torch
        >>> def make_model(width):
        ...     return torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.Linear(width, 2))
        >>> model = make_model(256)
        >>> rules = parametrize(model, make_model(64)).rules
        >>> rules["0.weight"].role.value, rules["1.weight"].role.value
        ('input', 'readout')
    """
    if hasattr(model, _ATTRIBUTE):
        raise ArgumentError(
            "parametrize(model=...) must be a new model; this one was parametrized before, and its "
            "initial weights would be scaled twice."
        )
    stated = _checked_roles(roles or {}, dict(model.named_parameters()))
    notes: list[str] = []
    by_parameter = _places_by_parameter(model)
    base_parameters = dict(base.named_parameters())
    depth = depth_of(model, base, forward)
    rules = {}
    for name, parameter in model.named_parameters():
        base_name = matching_name(name, list(base_parameters))
        if base_name is None:
            raise ArgumentError(
                f"parameter {name} has no counterpart in the base model; the two must be made by "
                "the same code."
            )
        rule = _rule(name, parameter, base_parameters[base_name], by_parameter, depth)
        if name in stated:
            rule = _with_stated_role(rule, stated[name])
        elif rule.growth.guessed:
            notes.append(_guess_note(rule))
        if rule.in_forward or not absorb:
            rule = _in_forward(rule, by_parameter[id(parameter)], notes)
        rules[name] = rule
    _scale_weights(model, base, rules)
    notes += _scale_attention(model, base)
    notes += depth.notes
    result = Parametrization(rules, tuple(notes))
    setattr(model, _ATTRIBUTE, result)
    return result


def parametrization_of(model: nn.Module) -> Parametrization:
    """The parametrization that a model was given.

    Raises:
        ArgumentError: it was not parametrized.
    """
    parametrization = getattr(model, _ATTRIBUTE, None)
    if not isinstance(parametrization, Parametrization):
        raise ArgumentError(
            "the model has no parametrization; call transfer.parametrize(model, base) first."
        )
    return parametrization


def _places_by_parameter(model: nn.Module) -> dict[int, list[Place]]:
    by_parameter: dict[int, list[Place]] = defaultdict(list)
    for place in places(model):
        by_parameter[id(place.parameter)].append(place)
    return by_parameter


def _checked_roles(roles: Mapping[str, str], parameters: Mapping[str, object]) -> dict[str, Role]:
    for name, role in roles.items():
        if name not in parameters:
            refuse("parametrize", "roles", "by the names of parameters of the model", name)
        if role not in list(Role):
            refuse("parametrize", "roles", f"one of {', '.join(Role)} for each name", role)
    return {name: Role(role) for name, role in roles.items()}


def _rule(
    name: str,
    parameter: nn.Parameter,
    base: nn.Parameter,
    by_parameter: Mapping[int, list[Place]],
    depth: Depth,
) -> ParameterRule:
    """The rule of a parameter, from all the layers that use it."""
    shape = tuple(parameter.shape)
    growths = [
        growth(name, tuple(base.shape), shape, place.axes) for place in by_parameter[id(parameter)]
    ]
    roles = {part.role for part in growths}
    shared = {Role.INPUT, Role.READOUT} <= roles
    chosen = next((g for g in growths if g.role is Role.INPUT), growths[0])
    return ParameterRule(
        name=name,
        shape=shape,
        base_shape=tuple(base.shape),
        growth=chosen,
        depth=depth.growth_of(name),
        writes_residual=depth.is_writer(name),
        in_forward=shared,
    )


def _with_stated_role(rule: ParameterRule, role: Role) -> ParameterRule:
    return replace(rule, growth=with_role(rule.growth, role), in_forward=False)


def _guess_note(rule: ParameterRule) -> str:
    return (
        f"{rule.name}, of shape {rule.shape}, belongs to no known layer and is treated as an input, "
        f"such as an embedding. If it is a readout, pass roles={{{rule.name!r}: 'readout'}}."
    )


def _in_forward(rule: ParameterRule, used: list[Place], notes: list[str]) -> ParameterRule:
    """Leave the factor of a readout in the forward pass, by a hook on the layers that read out."""
    readouts = [place for place in used if _reads_out(place, rule)]
    if not readouts:
        return rule
    factor = 1.0 / (rule.growth.fan_in * rule.growth.fan_out)
    for place in readouts:
        place.module.register_forward_pre_hook(_ScaledInput(factor))
        notes.append(f"a hook multiplies the input of {place.module_name} by {factor:.4g}.")
    return replace(rule, in_forward=True)


def _reads_out(place: Place, rule: ParameterRule) -> bool:
    """Whether the layer sums over the one axis that grows."""
    if rule.role is Role.READOUT:
        return True
    is_embedding = isinstance(place.module, nn.Embedding | nn.EmbeddingBag)
    return rule.in_forward and not is_embedding


@dataclass(frozen=True)
class _ScaledInput:
    """A hook that multiplies the first argument of a layer."""

    factor: float

    def __call__(self, _: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (arguments[0] * self.factor, *arguments[1:])


def _scale_weights(model: nn.Module, base: nn.Module, rules: dict[str, ParameterRule]) -> None:
    """Scale all initial values to what the rules ask for, and note each factor in the rules.

    The scales that the code gives them are measured over all parameters that are alike, such as the
    same weight of every block.
    """
    growths = {1.0}
    alike: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for name, rule in rules.items():
        growths |= {rule.growth.fan_in, rule.growth.fan_out, rule.depth}
        alike[template(name), rule.shape, rule.base_shape, rule.role].append(name)
    parameters, base_parameters = dict(model.named_parameters()), dict(base.named_parameters())
    for names in alike.values():
        base_names = {matching_name(name, list(base_parameters)) or name for name in names}
        scale = _scale_of([parameters[name] for name in names])
        base_scale = _scale_of([base_parameters[name] for name in base_names])
        if scale.value == 0.0 or base_scale.value == 0.0:
            continue
        ratio = _snapped(scale, base_scale, growths)
        for name in names:
            wanted = rules[name].multipliers(Family.ADAM).init  # the same for every family
            if parameters[name].requires_grad:
                with torch.no_grad():
                    parameters[name].mul_(wanted / ratio)
                rules[name] = replace(rules[name], init=wanted / ratio)


@dataclass(frozen=True)
class _Scale:
    """The root mean square of some values, and how many they are."""

    value: float
    count: int


def _scale_of(tensors: Iterable[torch.Tensor]) -> _Scale:
    values = [tensor.detach().double() for tensor in tensors]
    count = sum(tensor.numel() for tensor in values)
    total = sum(float(tensor.pow(2).sum()) for tensor in values)
    return _Scale(math.sqrt(total / max(1, count)), count)


def _snapped(scale: _Scale, base: _Scale, growths: Iterable[float]) -> float:
    """The ratio of two initial scales without the noise of their draws.

    The nearest power of a growth, in halves, if the ratio is that within its standard error. The
    standard error of a root mean square of n normal draws is its value / sqrt(2 n).
    """
    ratio = scale.value / base.value
    error = _STANDARD_ERRORS * math.sqrt(0.5 / scale.count + 0.5 / base.count)
    candidates = {growth**power for growth in growths for power in (0.0, -0.5, 0.5, -1.0)}
    nearest = min(candidates, key=lambda candidate: abs(math.log(ratio / candidate)))
    return nearest if abs(math.log(ratio / nearest)) <= error else ratio


def _scale_attention(model: nn.Module, base: nn.Module) -> list[str]:
    """Divide query times key by the size of a head, not by its root, where that size grows."""
    notes: list[str] = []
    base_modules = dict(base.named_modules())
    for name, module in model.named_modules():
        base_name = matching_name(name, list(base_modules))
        if base_name is None:
            continue
        notes += _scale_head(name, module, base_modules[base_name])
    return list(dict.fromkeys(notes))


def _scale_head(name: str, module: nn.Module, base: nn.Module) -> list[str]:
    heads, base_heads = getattr(module, "head_dim", None), getattr(base, "head_dim", None)
    if not isinstance(heads, int) or not isinstance(base_heads, int) or heads == base_heads:
        return []
    factor = math.sqrt(base_heads / heads)
    for attribute in ATTENTION_SCALES:
        scale, base_scale = getattr(module, attribute, None), getattr(base, attribute, None)
        if not isinstance(scale, float) or not isinstance(base_scale, float):
            continue
        if math.isclose(scale, base_scale * factor, rel_tol=1e-6):
            setattr(module, attribute, scale * factor)
            return [
                f"the heads grow: {attribute} of the attention layers is multiplied by {factor:.4g}."
            ]
    return [
        (
            f"the size of the heads of {name} grows, from {base_heads} to {heads}, and this layer does not "
            "allow muP's factor, 1 / size. Let the number of heads grow instead of their size."
        )
    ]
