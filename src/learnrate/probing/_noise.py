"""The noise scale: how much of a batch's gradient is noise, and what that means for its size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from learnrate._errors import ArgumentError
from learnrate.probing._fork import check_model, examples_of, forked, gradient, now, trainable
from learnrate.probing._hessian import differentiable, hessian
from learnrate.probing._result import ProbeResult
from learnrate.scaling import noise_scale_batch, surge_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

__all__ = ["NoiseScale", "noise_scale", "pooled"]


@dataclass(frozen=True, kw_only=True)
class NoiseScale(ProbeResult):
    """The batch size at which the gradient is larger than its noise.

    Attributes:
        batch_size: examples in a batch.
        batches: how many were measured.
        squared: |G|^2 of the true gradient G, an unbiased estimate that may be below 0.
        trace: tr(S), with S the covariance of one example's gradient.
        noise: the noise scale tr(S) / |G|^2, in examples; infinite if `squared` is not above 0.
        error: standard error of ln `noise`, by the jackknife over batches; None if unknown.
        norm_test: the noise of a batch's gradient over its signal, sqrt(noise / batch_size).
        noise_only: above 0 if the measured gradient is no larger than its own noise, averaged over the
            weights: at this batch size only noise is left to learn from. None for fewer than 4 batches.
        curved_noise: tr(H S) / G'HG, in examples, which weights directions by their curvature; None
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

        This is the best rate of a single step; over many steps a lower one may be better.

        Raises:
            ArgumentError: the curvature was not measured, or is not positive along the gradient.
        """
        if self.lr_max is None or self.curved_noise is None:
            raise ArgumentError("NoiseScale.lr() needs noise_scale(..., curvature=True).")
        if not (self.lr_max > 0 and 0 < self.curved_noise < math.inf):
            raise ArgumentError(
                "NoiseScale.lr() needs a gradient above its noise, along which the loss curves "
                f"upwards; lr_max is {self.lr_max:.3g} and curved_noise {self.curved_noise:.3g}. "
                "Measure more batches."
            )
        return noise_scale_batch(self.lr_max, batch=batch, noise_scale=self.curved_noise)

    def factor(self, batch: float, *, adam: bool = False) -> float:
        """The factor of the rate for another batch size; 1 for the one that was measured.

        Args:
            batch: the new batch size, in examples.
            adam: whether to use the law `scaling.surge_batch`; `scaling.noise_scale_batch` if not.

        Raises:
            ArgumentError: the noise is not finite.
        """
        if not 0 < self.noise < math.inf:
            raise ArgumentError(
                "NoiseScale.factor() needs a finite noise scale above 0; the gradient is lost in the "
                f"noise, which is {self.noise:.3g}. Measure more batches."
            )
        law = surge_batch if adam else noise_scale_batch
        factor_there = law(1.0, batch=batch, noise_scale=self.noise)
        return factor_there / law(1.0, batch=self.batch_size, noise_scale=self.noise)

    @property
    def words(self) -> str:
        """The meaning of the noise for the batch size."""
        if not self.noise < math.inf:
            return (
                f"Over {self.batches} batches of {self.batch_size} the gradient is lost in its "
                "noise: a larger batch or a lower rate would help, or nothing is left to learn."
            )
        accuracy = ""
        if self.error is not None:
            accuracy = f" (within a factor of {math.exp(2 * self.error):.2g})"
        text = f"The noise scale is {self.noise:.3g} examples{accuracy}, the batch has "
        text += f"{self.batch_size}. "
        if self.batch_size < 0.5 * self.noise:
            return (
                f"{text}Updates are mostly noise: twice the batch would allow SGD "
                f"{self.factor(2 * self.batch_size):.2g} times the rate."
            )
        if self.batch_size <= 2 * self.noise:
            return f"{text}The two are similar: a larger batch still helps, but less than in proportion."
        return f"{text}Updates are mostly signal: a larger batch would hardly allow a higher rate."


def pooled(results: Iterable[NoiseScale]) -> NoiseScale:
    """Several measurements as one: |G|^2 and tr(S) are averaged separately, then divided.

    The ratio of one measurement is biased, and so is an average of ratios. The bias of the ratio of the
    two averages vanishes as the number of measurements grows.

    Raises:
        ArgumentError: there are no measurements, or their batch sizes differ.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(3, 1, bias=False)
        >>> def loss_of(model, batch):
        ...     return (model(batch) - batch.sum(1, keepdim=True)).square().mean()
        >>> inputs = torch.randn(2, 16, 8, 3, generator=torch.Generator().manual_seed(0))
        >>> pooled(noise_scale(model, loss_of, list(batches)) for batches in inputs).batches
        32
    """
    measurements = list(results)
    if not measurements or len({measurement.batch_size for measurement in measurements}) > 1:
        raise ArgumentError(
            "pooled(results) needs at least 1 measurement, all at one batch size; got the batch "
            f"sizes {sorted({measurement.batch_size for measurement in measurements})}."
        )
    squared = float(np.mean([measurement.squared for measurement in measurements]))
    trace = float(np.mean([measurement.trace for measurement in measurements]))
    noise = _ratio(trace, squared)
    return NoiseScale(
        batch_size=measurements[0].batch_size,
        batches=sum(measurement.batches for measurement in measurements),
        squared=squared,
        trace=trace,
        noise=noise,
        error=None,
        norm_test=math.sqrt(noise / measurements[0].batch_size),
        noise_only=None,
        cost=sum(measurement.cost for measurement in measurements),
        seconds=sum(measurement.seconds for measurement in measurements),
    )


def noise_scale(
    model: nn.Module,
    loss_of: Callable[[nn.Module, Any], torch.Tensor],
    batches: Iterable[Any],
    *,
    batch_size: int | None = None,
    curvature: bool = False,
    extra_state: Iterable[Any] = (),
) -> NoiseScale:
    """Measure the gradient noise scale from the gradients of several batches.

    With g the gradient of a small batch of b examples and G' the gradient of all K batches,
    B = K b examples:

        |G|^2 = (B |G'|^2 - b |g|^2) / (B - b),   tr(S) = (|g|^2 - |G'|^2) / (1/b - 1/B)

    with |g|^2 averaged over the batches. The training is left as it was: see `what_if`.

    Memory: K vectors of the size of the weights.

    Args:
        model: the model that is trained, in its present mode.
        loss_of: `loss_of(model, batch) -> scalar tensor`, an average over examples.
        batches: at least 2, of one size, drawn independently.
        batch_size: examples in a batch; the length of its first tensor by default.
        curvature: whether to measure `curved_noise` and `lr_max` too, which costs one
            Hessian-vector product for each batch. The curvature is that of the first batch.
        extra_state: further objects whose state changes when the loss is computed.

    Raises:
        ArgumentError: there are fewer than 2 batches, or they differ in size.
        TaskError: the loss is not a tensor of one number, or cannot be differentiated twice.

    Ref: McCandlish et al. 2018, arXiv:1812.06162, appendix A. `noise_only` is Mahsereci et al.
    2017, arXiv:1703.09580, corrected for the small number of batches.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(3, 1, bias=False)
        >>> generator = torch.Generator().manual_seed(0)
        >>> inputs = torch.randn(64, 8, 3, generator=generator)
        >>> batches = [(batch, batch.sum(1, keepdim=True)) for batch in inputs]
        >>> def loss_of(model, batch):
        ...     return torch.nn.functional.mse_loss(model(batch[0]), batch[1])
        >>> scale = noise_scale(model, loss_of, batches)
        >>> scale.batch_size, scale.batches, 0 < scale.noise < 100
        (8, 64, True)
    """
    check_model("noise_scale", model)
    batch_list = list(batches)
    if len(batch_list) < 2:
        raise ArgumentError(
            f"noise_scale(batches=...) must hold at least 2 batches; got {len(batch_list)}."
        )
    sizes = {examples_of("noise_scale", batch, batch_size) for batch in batch_list}
    if len(sizes) > 1:
        raise ArgumentError(
            f"noise_scale(batches=...) must be of one size; got {sorted(sizes)} examples. "
            "Leave out the smaller last batch of a pass."
        )
    (size,) = sizes
    parameters = trainable(model)
    began = now()
    with forked(model, None, extra_state):
        rows = torch.stack(
            [gradient("noise_scale", loss_of, model, batch, parameters)[1] for batch in batch_list]
        )
        curved, lr_max = None, None
        if curvature:
            with differentiable():
                product = hessian("noise_scale", loss_of, model, batch_list[0], parameters)
                images = torch.stack([product(row) for row in rows])
            curved, lr_max = _curved(rows, images, size)
    inner = (rows.double() @ rows.double().T).cpu().numpy()
    squared, trace = _moments(inner, size)
    noise = _ratio(trace, squared)
    return NoiseScale(
        batch_size=size,
        batches=len(batch_list),
        squared=squared,
        trace=trace,
        noise=noise,
        error=_jackknifed(inner, size),
        norm_test=math.sqrt(noise / size),
        noise_only=_noise_only(rows),
        curved_noise=curved,
        lr_max=lr_max,
        cost=len(batch_list) + (1.0 + 2.0 * len(batch_list) if curvature else 0.0),
        seconds=now() - began,
    )


def _moments(inner: np.ndarray, size: int) -> tuple[float, float]:
    """|G|^2 and tr(S), from the inner products of the batches' gradients."""
    return _from_sums(float(inner.sum()), float(np.trace(inner)), len(inner), size)


def _from_sums(whole: float, trace: float, count: int, size: int) -> tuple[float, float]:
    """|G|^2 and tr(S); the mean of the products off the diagonal is |G|^2 without noise."""
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
    for square, along in zip(diagonal.tolist(), sums.tolist(), strict=True):
        left = whole - 2 * along + square
        squared, trace = _from_sums(left, float(diagonal.sum()) - square, count - 1, size)
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
    """1 - the mean over weights of g^2 / var(g), which is 0 on average for noise alone.

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
