"""Inner rates: a number, one a step, one a layer, one a parameter; fixed or learned; of any sign.

Whatever was given is held as tensors that broadcast against (episodes, *shape of the parameter), so
that an inner step is `value - rate * gradient` in every case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from learnrate._errors import ArgumentError

__all__ = ["Learned", "RateSpec", "Rates", "make_rates"]

RateSpec = float | Sequence[float] | Mapping[str, Any]
"""A number; one a step; or a mapping from parameter or module names to a number, one a step, or a
tensor of the parameter's shape."""

_SHARED = ""  # the name of rates that all parameters share
PER = {
    "all": "one rate",
    "step": "one an inner step",
    "layer": "one a parameter tensor",
    "layer and step": "one a parameter tensor and step, LSLR of MAML++",
    "parameter": "one a single weight, Meta-SGD",
    "parameter and step": "one a single weight and step",
}


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Inner rates that are meta-trained together with the weights; they may turn negative.

    Args:
        start: what they start at, of any form that fixed rates have.
        per: `"all"`, `"step"`, `"layer"`, `"layer and step"` (LSLR of MAML++), `"parameter"`
            (Meta-SGD: a rate for every single weight) or `"parameter and step"`.

    Raises:
        ArgumentError: `per` is none of these.

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
class Rates:
    """Inner rates of some trials, as tensors.

    Attributes:
        values: by parameter, or one under the empty name for all of them, of shape
            (trials, 1 or steps, *(the parameter's shape or ones)).
        learned: whether they are to be trained.
    """

    values: dict[str, torch.Tensor]
    learned: bool = False

    def at(self, name: str, step: int, rows: torch.Tensor | None) -> torch.Tensor:
        """One step's rates of a parameter, shape (rows or 1, ...), to multiply its gradient.

        Args:
            name: the parameter.
            step: the inner step.
            rows: which trial each row belongs to; None where there is one trial.
        """
        own = self.values[name] if name in self.values else self.values[_SHARED]
        of_step = own[:, min(step, own.shape[1] - 1)]
        return of_step if rows is None else of_step[rows]

    def stacked(self, trials: int) -> Rates:
        """The same rates once a trial, each a tensor of its own."""
        copied = {
            name: one.expand(trials, *one.shape[1:]).clone() for name, one in self.values.items()
        }
        return Rates(copied, learned=self.learned)

    def of_trial(self, trial: int) -> Rates:
        """Those of one trial, out of the graph."""
        kept = {name: one[trial : trial + 1].detach() for name, one in self.values.items()}
        return Rates(kept, learned=self.learned)


def make_rates(
    spec: RateSpec | Learned, parameters: Mapping[str, torch.Tensor], steps: int, argument: str
) -> Rates:
    """Rates of one trial for `parameters`.

    Args:
        spec: as given.
        parameters: what is adapted, by name.
        steps: the inner steps.
        argument: what `spec` is called, for messages.

    Raises:
        ArgumentError: a rate is not finite, a shape fits no parameter, a name is none's, or there
            are as many rates as there are not steps.
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
        return Rates(_shaped(values, parameters))
    return Rates(_leaves(values, parameters, steps, spec, argument), learned=True)


def _per_step(given: Any, steps: int, argument: str) -> torch.Tensor | None:
    """A number or one a step as a (1 or steps,) tensor; None if it is neither."""
    tensor = _tensor(given, argument)
    if tensor.dim() == 0:
        return tensor[None]
    return tensor if tuple(tensor.shape) == (steps,) else None


def _tensor(given: Any, argument: str) -> torch.Tensor:
    try:
        tensor = torch.as_tensor(given, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(
            f"{argument} must be a number, one a step, a mapping from names to those, or "
            f"learnrate.meta.Learned(...); got {given!r}."
        ) from error
    if not torch.isfinite(tensor).all():
        raise ArgumentError(f"{argument} must be finite; got {given!r}.")
    return tensor


def _by_name(
    given: Mapping[str, Any], parameters: Mapping[str, torch.Tensor], steps: int, argument: str
) -> dict[str, torch.Tensor]:
    """By parameter, of shape (1 or steps, *(shape or ones)); every parameter must have one."""
    values: dict[str, torch.Tensor] = {}
    for key, one in given.items():
        own = [name for name in parameters if name == key or name.startswith(f"{key}.")]
        if not own:
            names = ", ".join(parameters)
            raise ArgumentError(
                f"{argument}: {key!r} is no parameter adapted and no module of one. "
                f"There are: {names}."
            )
        for name in own:
            values[name] = _fitted(one, name, parameters[name], steps, argument)
    missing = [name for name in parameters if name not in values]
    if missing:
        raise ArgumentError(
            f"{argument} has no rate for {', '.join(missing)}; give each one, 0 to leave it as it is."
        )
    return values


def _fitted(
    given: Any, name: str, parameter: torch.Tensor, steps: int, argument: str
) -> torch.Tensor:
    tensor = _tensor(given, argument)
    shape = tuple(parameter.shape)
    if tuple(tensor.shape) == shape and shape:
        return tensor[None]
    if tuple(tensor.shape) == (steps, *shape):
        return tensor
    per_step = _per_step(tensor, steps, argument)
    if per_step is None:
        raise ArgumentError(_shape_message(argument, given, {name: parameter}, steps))
    return per_step.reshape(-1, *[1] * parameter.dim())


def _shape_message(
    argument: str, given: Any, parameters: Mapping[str, torch.Tensor], steps: int
) -> str:
    shape = tuple(torch.as_tensor(given).shape)
    shapes = ", ".join(f"{name} {tuple(one.shape)}" for name, one in parameters.items())
    return (
        f"{argument} of shape {shape} fits no parameter: it must be a number, one for each of "
        f"{steps} inner steps, or, in a mapping, a tensor of the parameter's shape. "
        f"Parameters: {shapes}."
    )


def _shaped(
    values: Mapping[str, torch.Tensor], parameters: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """With a leading dimension of trials, and ones to broadcast against any parameter."""
    if set(values) != {_SHARED}:
        return {name: one[None].to(parameters[name]) for name, one in values.items()}
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
    """One tensor to train for each rate that `spec.per` names, starting at `values`."""
    times = steps if spec.per.endswith("step") else 1
    if spec.per in {"all", "step"}:
        if set(values) != {_SHARED} or len(values[_SHARED]) > times:
            raise ArgumentError(
                f"{argument}=Learned(per={spec.per!r}) starts at a number"
                f"{' or one a step' if times > 1 else ''}; got {spec.start!r}."
            )
        first = next(iter(parameters.values()))
        return {_SHARED: values[_SHARED].expand(times).clone()[None].to(first)}
    leaves = {}
    for name, own in _shaped(values, parameters).items():
        shape = tuple(parameters[name].shape)
        wanted = (1, times, *(shape if spec.per.startswith("parameter") else [1] * len(shape)))
        if math.prod(torch.broadcast_shapes(own.shape, wanted)) != math.prod(wanted):
            raise ArgumentError(
                f"{argument}=Learned(per={spec.per!r}) has {PER[spec.per]}; start has more for "
                f"{name}."
            )
        leaves[name] = own.expand(wanted).clone()
    return leaves
