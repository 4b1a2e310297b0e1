"""Inner rates: a single one, or one per step, layer or parameter; fixed or learned; of any sign.

Every form becomes tensors that broadcast against (episodes, *shape of the parameter), so that an
inner step is always `value - rate * gradient`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from learnrate._errors import ArgumentError

__all__ = ["InnerRates", "Learned", "RateSpec", "make_rates"]

RateSpec = float | Sequence[float] | Mapping[str, Any]
"""A number; a list with one number per step; or a mapping from names of parameters or modules to
either of these or a tensor of the parameter's shape."""

_SHARED = ""  # the key of rates that all parameters share
PER = {
    "all": "one rate",
    "step": "one rate per inner step",
    "layer": "one rate per parameter tensor",
    "layer and step": "one rate per parameter tensor and step, LSLR of MAML++",
    "parameter": "one rate per single weight, Meta-SGD",
    "parameter and step": "one rate per single weight and step",
}


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Inner rates that are meta-trained together with the weights; they may turn negative.

    Args:
        start: the initial rates, in any form that fixed rates have.
        per: what has its own rate: `"all"`, `"step"`, `"layer"`, `"layer and step"` (LSLR of
            MAML++), `"parameter"` (Meta-SGD: a rate for every single weight) or
            `"parameter and step"`.

    Raises:
        ArgumentError: `per` is not one of these.

    Examples:
        >>> Learned(start=0.01, per="layer and step").per
        'layer and step'

    References: Li et al. 2017, Meta-SGD, arXiv:1707.09835; Antoniou et al. 2019, MAML++,
    arXiv:1810.09502.
    """

    start: RateSpec = 0.01
    per: str = "parameter"

    def __post_init__(self) -> None:
        if self.per not in PER:
            raise ArgumentError(
                f"Learned(per=...) must be one of {', '.join(map(repr, PER))}; got {self.per!r}."
            )


@dataclass(frozen=True)
class InnerRates:
    """Inner rates of some trials, as tensors.

    Attributes:
        values: the values, by parameter, or under the empty name for all parameters, of shape
            (trials, 1 or steps, *(the parameter's shape or ones)).
        learned: whether they are trained.
    """

    values: dict[str, torch.Tensor]
    learned: bool = False

    def at(self, name: str, step: int, rows: torch.Tensor | None) -> torch.Tensor:
        """The rates of a parameter at one step, shape (rows or 1, ...).

        Args:
            name: the parameter.
            step: the inner step.
            rows: the trial of each row; None if there is one trial.
        """
        values = self.values[name] if name in self.values else self.values[_SHARED]
        of_step = values[:, min(step, values.shape[1] - 1)]
        return of_step if rows is None else of_step[rows]

    def stacked(self, trials: int) -> InnerRates:
        """A copy of the rates for each of several trials."""
        copied = {
            name: values.expand(trials, *values.shape[1:]).clone()
            for name, values in self.values.items()
        }
        return InnerRates(copied, learned=self.learned)

    def of_trial(self, trial: int) -> InnerRates:
        """The rates of one trial, detached from the graph."""
        values = {name: tensor[trial : trial + 1].detach() for name, tensor in self.values.items()}
        return InnerRates(values, learned=self.learned)


def make_rates(
    spec: RateSpec | Learned, parameters: Mapping[str, torch.Tensor], steps: int, argument: str
) -> InnerRates:
    """Rates of one trial for `parameters`.

    Args:
        spec: the rates, in any form that a user may give.
        parameters: the adapted parameters, by name.
        steps: the number of inner steps.
        argument: the name of `spec`, for messages.

    Raises:
        ArgumentError: a rate is not finite, a shape does not fit, a name is unknown, or the number of
            rates is not the number of steps.
    """
    start = spec.start if isinstance(spec, Learned) else spec
    if isinstance(start, Mapping):
        values = _by_name(start, parameters, steps, argument)
    else:
        shared = _per_step(start, steps, argument)
        if shared is None:
            raise ArgumentError(_shape_message(argument, start, parameters, steps))
        values = {_SHARED: shared}
    if not isinstance(spec, Learned):
        return InnerRates(_shaped(values, parameters))
    return InnerRates(_leaves(values, parameters, steps, spec, argument), learned=True)


def _per_step(rates: Any, steps: int, argument: str) -> torch.Tensor | None:
    """A number, or one per step, as a tensor of shape (1 or steps,); None if it is neither."""
    tensor = _tensor(rates, argument)
    if tensor.dim() == 0:
        return tensor[None]
    return tensor if tuple(tensor.shape) == (steps,) else None


def _tensor(rates: Any, argument: str) -> torch.Tensor:
    try:
        tensor = torch.as_tensor(rates, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(
            f"{argument} must be a number, a list with one per step, a mapping from names to these, or "
            f"learnrate.meta.Learned(...); got {rates!r}."
        ) from error
    if not torch.isfinite(tensor).all():
        raise ArgumentError(f"{argument} must be finite; got {rates!r}.")
    return tensor


def _by_name(
    rates_by_name: Mapping[str, Any],
    parameters: Mapping[str, torch.Tensor],
    steps: int,
    argument: str,
) -> dict[str, torch.Tensor]:
    """By parameter, of shape (1 or steps, *(shape or ones)); every parameter must have a rate."""
    values: dict[str, torch.Tensor] = {}
    for key, rates in rates_by_name.items():
        matching = [name for name in parameters if name == key or name.startswith(f"{key}.")]
        if not matching:
            names = ", ".join(parameters)
            raise ArgumentError(
                f"{argument} names {key!r}, which is neither an adapted parameter nor a module with "
                f"one. Adapted parameters: {names}."
            )
        for name in matching:
            values[name] = _fitted(rates, name, parameters[name], steps, argument)
    missing = [name for name in parameters if name not in values]
    if missing:
        raise ArgumentError(
            f"{argument} has no rate for {', '.join(missing)}. Give each one a rate; 0 leaves it as it is."
        )
    return values


def _fitted(
    rates: Any, name: str, parameter: torch.Tensor, steps: int, argument: str
) -> torch.Tensor:
    tensor = _tensor(rates, argument)
    shape = tuple(parameter.shape)
    if tuple(tensor.shape) == shape and shape:
        return tensor[None]
    if tuple(tensor.shape) == (steps, *shape):
        return tensor
    per_step = _per_step(tensor, steps, argument)
    if per_step is None:
        raise ArgumentError(_shape_message(argument, rates, {name: parameter}, steps))
    return per_step.reshape(-1, *[1] * parameter.dim())


def _shape_message(
    argument: str, rates: Any, parameters: Mapping[str, torch.Tensor], steps: int
) -> str:
    shape = tuple(torch.as_tensor(rates).shape)
    shapes = ", ".join(
        f"{name} {tuple(parameter.shape)}" for name, parameter in parameters.items()
    )
    return (
        f"{argument} of shape {shape} fits no parameter: it must be a number, a list with one for "
        f"each of {steps} inner steps, or, in a mapping, a tensor of the parameter's shape. "
        f"Parameters: {shapes}."
    )


def _shaped(
    values: Mapping[str, torch.Tensor], parameters: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """With a leading dimension of trials, and broadcastable against the parameters."""
    if set(values) != {_SHARED}:
        return {name: rates[None].to(parameters[name]) for name, rates in values.items()}
    shared = values[_SHARED]
    return {
        name: shared.reshape(1, -1, *[1] * parameter.dim()).to(parameter)
        for name, parameter in parameters.items()
    }


def _leaves(
    values: Mapping[str, torch.Tensor],
    parameters: Mapping[str, torch.Tensor],
    steps: int,
    spec: Learned,
    argument: str,
) -> dict[str, torch.Tensor]:
    """The tensors to train: a rate for everything that `spec.per` names, starting at `values`."""
    times = steps if spec.per.endswith("step") else 1
    if spec.per in {"all", "step"}:
        if set(values) != {_SHARED} or len(values[_SHARED]) > times:
            raise ArgumentError(
                f"{argument}=Learned(per={spec.per!r}) starts at a number"
                f"{', or a list with one per step' if times > 1 else ''}; got {spec.start!r}."
            )
        first = next(iter(parameters.values()))
        return {_SHARED: values[_SHARED].expand(times).clone()[None].to(first)}
    leaves = {}
    for name, start in _shaped(values, parameters).items():
        shape = tuple(parameters[name].shape)
        wanted = (1, times, *(shape if spec.per.startswith("parameter") else [1] * len(shape)))
        if math.prod(torch.broadcast_shapes(start.shape, wanted)) != math.prod(wanted):
            raise ArgumentError(
                f"{argument}=Learned(per={spec.per!r}) has {PER[spec.per]}; start=... has more for "
                f"{name}. Give as many as per= needs, or choose another per=."
            )
        leaves[name] = start.expand(wanted).clone()
    return leaves
