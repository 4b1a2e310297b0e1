"""The noise probe: how much of a batch's gradient is noise, and what that means for the batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from learnrate._errors import ArgumentError
from learnrate.probing._fork import check_model, examples_of, forked, gradient, now, trainable
from learnrate.probing._hessian import differentiable, hessian
from learnrate.probing._result import Result
from learnrate.scaling import noise_scale_batch, surge_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

__all__ = ["NoiseScale", "noise_scale", "pooled"]


@dataclass(frozen=True, kw_only=True)
class NoiseScale(Result):
    """How large a batch must be for its gradient to be more than noise.

    Attributes:
        batch_size: examples of a batch.
        batches: that were measured.
        squared: |G|^2 of the whole gradient G, free of the noise's part; it may come out below 0.
        trace: tr(S), S the covariance of one example's gradient.
        noise: tr(S) / |G|^2 in examples, infinite where G is lost in the noise.
        error: standard error of ln `noise`, by leaving out a batch at a time; None if unknown.
        norm_test: the noise of a batch's gradient over its signal, sqrt(noise / batch_size).
        noise_only: above 0 where the measured gradient is no larger than its own noise, on
            average over the weights: nothing but noise is left to learn from at this batch size.
            None below 4 batches.
        curved_noise: tr(H S) / G'HG in examples, which weighs directions by their curvature; None
            if not measured.
        lr_max: the best rate of one step of gradient descent along G, |G|^2 / G'HG; None if not
            measured.
    """

    kind: ClassVar[str] = "noise_scale"

    batch_size: int
    batches: int
    squared: float
    trace: float
    noise: float
    error: float | None
    norm_test: float
    noise_only: float | None
    curved_noise: float | None = None
    lr_max: float | None = None

    def lr(self, batch: float) -> float:
        """The best rate of one step of gradient descent at a batch size, on a local quadratic.

            lr(B) = lr_max / (1 + curved_noise / B)

        Greedy, for one step: over many steps a lower one may be better.

        Raises:
            ArgumentError: curvature was not measured, or is not positive along the gradient.
        """
        if self.lr_max is None or self.curved_noise is None:
            raise ArgumentError("NoiseScale.lr() needs noise_scale(..., curvature=True).")
        if not (self.lr_max > 0 and 0 < self.curved_noise < math.inf):
            raise ArgumentError(
                "NoiseScale.lr(): the gradient is lost in the noise, or the loss does not curve "
                "upwards along it. Measure more batches."
            )
        return noise_scale_batch(self.lr_max, batch=batch, noise_scale=self.curved_noise)

    def factor(self, batch: float, *, adam: bool = False) -> float:
        """By what to multiply the rate when the batch size changes to `batch`.

        The laws `scaling.noise_scale_batch`, and with `adam` `scaling.surge_batch`, at the
        measured noise; 1 for the batch size that was measured.

        Raises:
            ArgumentError: the noise is not finite.
        """
        if not 0 < self.noise < math.inf:
            raise ArgumentError(
                "NoiseScale.factor(): the gradient is lost in the noise. Measure more batches."
            )
        law = surge_batch if adam else noise_scale_batch
        there = law(1.0, batch=batch, noise_scale=self.noise)
        return there / law(1.0, batch=self.batch_size, noise_scale=self.noise)

    @property
    def words(self) -> str:
        """What the noise means for the batch size."""
        if not self.noise < math.inf:
            return (
                f"Over {self.batches} batches of {self.batch_size} the gradient is lost in its "
                "noise: a larger batch or a lower rate would help, or there is no more to learn."
            )
        wide = ""
        if self.error is not None:
            wide = f" (within a factor of {math.exp(2 * self.error):.2g})"
        found = f"The noise scale is {self.noise:.3g} examples{wide}, the batch has "
        found += f"{self.batch_size}. "
        if self.batch_size < 0.5 * self.noise:
            return (
                f"{found}Updates are mostly noise: twice the batch would allow SGD "
                f"{self.factor(2 * self.batch_size):.2g} times the rate."
            )
        if self.batch_size <= 2 * self.noise:
            return f"{found}The two are alike: a larger batch still pays, though not in full."
        return (
            f"{found}Updates are mostly signal: a larger batch would hardly allow a higher rate."
        )


def pooled(results: Iterable[NoiseScale]) -> NoiseScale:
    """Several measurements as one: |G|^2 and tr(S) are averaged apart, then divided.

    Their ratio from one measurement is biased, and its average is too; this one is not for many.

    Raises:
        ArgumentError: there are none, or their batch sizes differ.
    """
    held = list(results)
    if not held or len({one.batch_size for one in held}) > 1:
        raise ArgumentError("pooled(results) needs measurements at one batch size.")
    squared = float(np.mean([one.squared for one in held]))
    trace = float(np.mean([one.trace for one in held]))
    noise = _ratio(trace, squared)
    return NoiseScale(
        batch_size=held[0].batch_size,
        batches=sum(one.batches for one in held),
        squared=squared,
        trace=trace,
        noise=noise,
        error=None,
        norm_test=math.sqrt(noise / held[0].batch_size),
        noise_only=None,
        cost=sum(one.cost for one in held),
        seconds=sum(one.seconds for one in held),
    )


def noise_scale(
    model: nn.Module,
    loss_of: Callable[[nn.Module, Any], torch.Tensor],
    batches: Iterable[Any],
    *,
    batch_size: int | None = None,
    curvature: bool = False,
    also: Iterable[Any] = (),
) -> NoiseScale:
    """Measure the gradient noise scale from the gradients of several batches.

    With g the gradient of a small batch of b examples and G' that of all K of them together,
    B = K b examples:

        |G|^2 = (B |G'|^2 - b |g|^2) / (B - b),   tr(S) = (|g|^2 - |G'|^2) / (1/b - 1/B)

    |g|^2 averaged over the batches. Nothing is changed: see `what_if`.

    Memory: K vectors of the size of the weights.

    Args:
        model: as it is trained, in the mode it is in.
        loss_of: `loss_of(model, batch) -> scalar tensor`, an average over examples.
        batches: at least 2, of one size, drawn independently.
        batch_size: examples of a batch; the length of its first tensor by default.
        curvature: measure `curved_noise` and `lr_max` too, for a Hessian-vector product a batch.
            Curvature is that of the first batch.
        also: further objects with a state that computing the loss changes.

    Raises:
        ArgumentError: fewer than 2 batches, or of several sizes.
        TaskError: the loss is no number, or cannot be differentiated as often as needed.

    Ref: McCandlish et al. 2018, arXiv:1812.06162, appendix A. `noise_only` is Mahsereci et al.
    2017, arXiv:1703.09580, corrected for the few batches its variances come from.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(3, 1, bias=False)
        >>> own = torch.Generator().manual_seed(0)
        >>> x = torch.randn(64, 8, 3, generator=own)
        >>> batches = [(one, one.sum(1, keepdim=True)) for one in x]
        >>> def loss_of(model, batch):
        ...     return torch.nn.functional.mse_loss(model(batch[0]), batch[1])
        >>> found = noise_scale(model, loss_of, batches)
        >>> found.batch_size, found.batches, 0 < found.noise < 100
        (8, 64, True)
    """
    check_model("noise_scale", model)
    held = list(batches)
    if len(held) < 2:
        raise ArgumentError(f"noise_scale(batches=...) must hold at least 2; got {len(held)}.")
    sizes = {examples_of("noise_scale", one, batch_size) for one in held}
    if len(sizes) > 1:
        raise ArgumentError(
            f"noise_scale(batches=...) must be of one size; got {sorted(sizes)} examples. "
            "Leave the last, smaller batch of a pass out."
        )
    (size,) = sizes
    parameters = trainable(model)
    began = now()
    with forked(model, None, also):
        rows = torch.stack(
            [gradient("noise_scale", loss_of, model, one, parameters)[1] for one in held]
        )
        curved, lr_max = None, None
        if curvature:
            with differentiable():
                product = hessian("noise_scale", loss_of, model, held[0], parameters)
                images = torch.stack([product(one) for one in rows])
            curved, lr_max = _curved(rows, images, size)
    inner = (rows.double() @ rows.double().T).cpu().numpy()
    squared, trace = _moments(inner, size)
    noise = _ratio(trace, squared)
    return NoiseScale(
        batch_size=size,
        batches=len(held),
        squared=squared,
        trace=trace,
        noise=noise,
        error=_jackknifed(inner, size),
        norm_test=math.sqrt(noise / size),
        noise_only=_noise_only(rows),
        curved_noise=curved,
        lr_max=lr_max,
        cost=len(held) + (1.0 + 2.0 * len(held) if curvature else 0.0),
        seconds=now() - began,
    )


def _moments(inner: np.ndarray, size: int) -> tuple[float, float]:
    """|G|^2 and tr(S), from the inner products of the batches' gradients."""
    return _from_sums(float(inner.sum()), float(np.trace(inner)), len(inner), size)


def _from_sums(whole: float, trace: float, count: int, size: int) -> tuple[float, float]:
    """The same as the formula with |G'|^2: the mean off the diagonal is |G|^2 without noise."""
    squared = (whole - trace) / (count * (count - 1))
    return squared, size * (trace / count - squared)


def _ratio(trace: float, squared: float) -> float:
    return max(trace, 0.0) / squared if squared > 0 else math.inf


def _jackknifed(inner: np.ndarray, size: int) -> float | None:
    count = len(inner)
    if count < 3:
        return None
    whole, diagonal, sums = float(inner.sum()), np.diag(inner), inner.sum(axis=0)
    logs = []
    for own, along in zip(diagonal.tolist(), sums.tolist(), strict=True):
        left = whole - 2 * along + own
        squared, trace = _from_sums(left, float(diagonal.sum()) - own, count - 1, size)
        if squared <= 0 or trace <= 0:
            return None
        logs.append(math.log(trace / squared))
    return math.sqrt((count - 1) * float(np.var(logs)))


def _curved(rows: torch.Tensor, images: torch.Tensor, size: int) -> tuple[float, float]:
    """tr(H S) / G'HG and |G|^2 / G'HG."""
    bent = (rows.double() @ images.double().T).cpu().numpy()
    inner = (rows.double() @ rows.double().T).cpu().numpy()
    along, across = _moments(bent, size)
    squared, _ = _moments(inner, size)
    return _ratio(across, along), squared / along if along > 0 else math.inf


def _noise_only(rows: torch.Tensor) -> float | None:
    """1 - mean over weights of g^2 / var(g), which for noise alone is 0 on average.

    With variances from K batches, g^2 / var(g) of pure noise has the mean (K - 1) / (K - 3).
    """
    count = len(rows)
    if count < 4:
        return None
    variance = rows.var(dim=0) / count
    moving = variance > 0
    if not moving.any():
        return None
    ratio = (rows.mean(dim=0)[moving].square() / variance[moving]).double().mean()
    return 1.0 - float(ratio) * (count - 3) / (count - 1)
