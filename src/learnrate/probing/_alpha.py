"""The step probe: where along the line of an update the loss is lowest."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from learnrate._errors import ArgumentError
from learnrate.probing._fork import check_model, check_optimizer, flat, forked, loss_at, now
from learnrate.probing._result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn
    from torch.optim import Optimizer

    from learnrate.probing._fork import Loss

__all__ = ["NormalisedStep", "normalised_step"]

_FAR = 0.5


@dataclass(frozen=True, kw_only=True)
class NormalisedStep(Result):
    """How far updates go, in units of the distance to the minimum along their line, less 1.

    Attributes:
        values: of each batch: -1 for a step of no length or where the loss curves downwards, 0 for
            one to the minimum along its line, 1 for one to the other side of it, at equal loss,
            more for one that goes uphill.
        median: of them.
    """

    kind: ClassVar[str] = "normalised_step"

    values: tuple[float, ...]
    median: float

    @property
    def words(self) -> str:
        """What it means for the rate."""
        found = (
            f"The normalised step is {self.median:.2g} (median of {len(self.values)} batches): "
        )
        if self.median < -_FAR:
            found += "updates stop far short of the minimum along their line. "
            return f"{found}The rate is low, unless noise is what limits it."
        if self.median <= _FAR:
            return f"{found}updates go about as far as their batch's loss falls."
        return f"{found}updates overshoot the minimum along their line. The rate is high."


def normalised_step(
    model: nn.Module,
    optimizer: Optimizer,
    loss_of: Callable[[nn.Module, Any], torch.Tensor],
    batches: Iterable[Any],
    *,
    clip_norm: float | None = None,
    also: Iterable[Any] = (),
) -> NormalisedStep:
    """Measure how far an update goes along its line, on the batch it is made from.

    From the live state, one update on each batch. With s from 0 to 1 along it, a parabola
    w0 + w1 s + w2 s^2 is fitted by least squares to the loss and its slope at both ends:

        value = 2 / (-w1 / w2) - 1, and -1 where w2 < 0

    The batch that an update is made from flatters it. Nothing is changed: see `what_if`.

    Args:
        model: as it is trained.
        optimizer: what trains it.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        batches: some, of the usual size; the result is about 50 at once in the source.
        clip_norm: the gradient norm that updates are clipped to.
        also: further objects with a state that computing the loss changes.

    Raises:
        ArgumentError: there is no batch.
        TaskError: the loss is no number.

    Ref: Schneider et al. 2021, Cockpit, arXiv:2102.06604, which weights the fit by variances over
    the examples; here all four count alike.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> def loss_of(model, batch):
        ...     return model.weight.square().sum()  # curvature 2: a rate of 1/2 reaches the minimum
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> abs(normalised_step(model, optimizer, loss_of, [None]).median) < 1e-6
        True
    """
    check_model("normalised_step", model)
    optimizer = check_optimizer("normalised_step", optimizer)
    held = list(batches)
    if not held:
        raise ArgumentError("normalised_step(batches=...) must hold at least one.")
    began = now()
    with forked(model, optimizer, also) as restore:
        values = []
        for batch in held:
            values.append(_value(model, optimizer, loss_of, batch, clip_norm))
            restore()
    return NormalisedStep(
        values=tuple(values),
        median=statistics.median(values),
        cost=2.0 * len(held),
        seconds=now() - began,
    )


def _value(
    model: nn.Module, optimizer: Optimizer, loss_of: Loss, batch: Any, clip_norm: float | None
) -> float:
    parameters = list(
        {id(one): one for group in optimizer.param_groups for one in group["params"]}.values()
    )
    seen = torch.get_rng_state()
    before, slope_from, start = _ends(model, optimizer, loss_of, batch, parameters)
    if clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
    optimizer.step()
    torch.set_rng_state(seen)  # the same dropout at both ends
    after, slope_to, end = _ends(model, optimizer, loss_of, batch, parameters)
    moved = end - start
    return parabola(
        before,
        after,
        float(slope_from.double() @ moved.double()),
        float(slope_to.double() @ moved.double()),
    )


def _ends(
    model: nn.Module, optimizer: Optimizer, loss_of: Loss, batch: Any, parameters: list[Any]
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Loss, gradient and place."""
    optimizer.zero_grad()
    loss = loss_at("normalised_step", loss_of, model, batch)
    loss.backward()
    slopes = flat(torch.zeros_like(one) if one.grad is None else one.grad for one in parameters)
    return float(loss.detach()), slopes, flat(parameters)


def parabola(before: float, after: float, slope_from: float, slope_to: float) -> float:
    """The value from losses and slopes at both ends of a step, slopes per step.

    The losses only enter by their difference d, which counts half, since w0 is free:

        minimise (w1 + w2 - d)^2 / 2 + (w1 - slope_from)^2 + (w1 + 2 w2 - slope_to)^2

    Examples:
        >>> parabola(1.0, 1.0, -4.0, 4.0)  # to the other side, at equal loss
        1.0
    """
    fall = after - before
    one, two = 0.5 * fall + slope_from + slope_to, 0.5 * fall + 2.0 * slope_to
    # the normal equations: [2.5 2.5; 2.5 4.5] (w1, w2) = (one, two)
    curve = (two - one) / 2.0
    slope = one / 2.5 - curve
    if not math.isfinite(curve + slope):
        return math.inf  # the loss at the end is no number
    if curve < 0 or slope == 0:
        return -1.0 if curve <= 0 else math.inf
    return -2.0 * curve / slope - 1.0
