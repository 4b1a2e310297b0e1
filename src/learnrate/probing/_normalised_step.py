"""The normalised step: where along the line of an update the loss is lowest."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from learnrate._errors import ArgumentError
from learnrate.probing._fork import check_model, check_optimizer, flat, forked, loss_at, now
from learnrate.probing._result import ProbeResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn
    from torch.optim import Optimizer

    from learnrate.probing._fork import Loss

__all__ = ["NormalisedStep", "normalised_step"]

_FAR_FROM_MINIMUM = 0.5


@dataclass(frozen=True, kw_only=True)
class NormalisedStep(ProbeResult):
    """How far updates go, in units of the distance to the minimum along their line, minus 1.

    Attributes:
        values: one for each batch. -1: the step has no length, or the loss curves downwards.
            0: the step ends at the minimum along its line. 1: it ends at the same loss on the other
            side of the minimum. Above 1: it goes uphill.
        median: the median of `values`.
    """

    kind: ClassVar[str] = "normalised_step"

    values: tuple[float, ...]
    median: float

    @property
    def words(self) -> str:
        """The meaning of the step's length for the rate."""
        batches = "1 batch" if len(self.values) == 1 else f"{len(self.values)} batches"
        text = f"The normalised step is {self.median:.2g} (median over {batches}): "
        if self.median < -_FAR_FROM_MINIMUM:
            text += "updates stop far short of the minimum along their line. "
            return f"{text}The rate is low, unless noise limits it."
        if self.median <= _FAR_FROM_MINIMUM:
            return f"{text}updates end near the minimum of their own batch's loss."
        return f"{text}updates overshoot the minimum along their line. The rate is high."


def normalised_step(
    model: nn.Module,
    optimizer: Optimizer,
    loss_of: Callable[[nn.Module, Any], torch.Tensor],
    batches: Iterable[Any],
    *,
    clip_norm: float | None = None,
    extra_state: Iterable[Any] = (),
) -> NormalisedStep:
    """Measure how far an update goes along its line, on its own batch.

    One update is made on each batch, each from the present state. With s from 0 to 1 along the
    update, a parabola w0 + w1 s + w2 s^2 is fitted by least squares to the loss and its slope at
    both ends:

        value = 2 / (-w1 / w2) - 1, or -1 if w2 < 0

    On the batch of the update itself, the loss falls more than on other batches. The training is left as
    it was: see `what_if`.

    Args:
        model: the model that is trained.
        optimizer: the optimizer that trains it.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        batches: at least 1, of the size that is trained with.
        clip_norm: the gradient norm that updates are clipped to; None for no clipping.
        extra_state: further objects whose state changes when the loss is computed.

    Raises:
        ArgumentError: there is no batch.
        TaskError: the loss is not a tensor of one number.

    Ref: Schneider et al. 2021, Cockpit, arXiv:2102.06604, where the fit is weighted by variances
    over the examples; here all four measurements have the same weight.

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
    batch_list = list(batches)
    if not batch_list:
        raise ArgumentError("normalised_step(batches=...) must hold at least 1 batch; got none.")
    began = now()
    with forked(model, optimizer, extra_state) as restore:
        values = []
        for batch in batch_list:
            values.append(_value(model, optimizer, loss_of, batch, clip_norm))
            restore()
    return NormalisedStep(
        values=tuple(values),
        median=statistics.median(values),
        cost=2.0 * len(batch_list),
        seconds=now() - began,
    )


def _value(
    model: nn.Module, optimizer: Optimizer, loss_of: Loss, batch: Any, clip_norm: float | None
) -> float:
    parameters = list(
        {
            id(parameter): parameter
            for group in optimizer.param_groups
            for parameter in group["params"]
        }.values()
    )
    random_state = torch.get_rng_state()
    before, slope_from, start = _loss_slope_and_weights(
        model, optimizer, loss_of, batch, parameters
    )
    if clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
    optimizer.step()
    torch.set_rng_state(random_state)  # the same dropout at both ends
    after, slope_to, end = _loss_slope_and_weights(model, optimizer, loss_of, batch, parameters)
    displacement = end - start
    return parabola(
        before,
        after,
        float(slope_from.double() @ displacement.double()),
        float(slope_to.double() @ displacement.double()),
    )


def _loss_slope_and_weights(
    model: nn.Module, optimizer: Optimizer, loss_of: Loss, batch: Any, parameters: list[Any]
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """The loss, its gradient, and the weights."""
    optimizer.zero_grad()
    loss = loss_at("normalised_step", loss_of, model, batch)
    loss.backward()
    slopes = flat(
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for parameter in parameters
    )
    return float(loss.detach()), slopes, flat(parameters)


def parabola(before: float, after: float, slope_from: float, slope_to: float) -> float:
    """The normalised step from losses and slopes at both ends of a step.

    Only the difference d of the losses matters, with half a weight, because w0 is free:

        minimise (w1 + w2 - d)^2 / 2 + (w1 - slope_from)^2 + (w1 + 2 w2 - slope_to)^2

    Args:
        before: the loss at the start.
        after: the loss at the end.
        slope_from: the slope at the start, per step.
        slope_to: the slope at the end, per step.

    Examples:
        >>> parabola(1.0, 1.0, -4.0, 4.0)  # to the other side, at equal loss
        1.0
    """
    fall = after - before
    first, second = 0.5 * fall + slope_from + slope_to, 0.5 * fall + 2.0 * slope_to
    # the normal equations: [2.5 2.5; 2.5 4.5] (w1, w2) = (first, second)
    curve = (second - first) / 2.0
    slope = first / 2.5 - curve
    if not math.isfinite(curve + slope):
        return math.inf  # the loss at the end is not finite
    if curve < 0 or slope == 0:
        return -1.0 if curve <= 0 else math.inf
    return -2.0 * curve / slope - 1.0
