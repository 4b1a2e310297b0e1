"""The result of the what-if probe, and the direction it gives for the rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np

from learnrate.probing._result import ProbeResult
from learnrate.watch import Finding, Severity

__all__ = ["Direction", "Gain", "WhatIf", "direction_of", "gains_of"]


class Direction(StrEnum):
    """Which way the rate should go."""

    LOWER = "lower"
    RAISE = "raise"
    KEEP = "keep"
    UNCLEAR = "unclear"

    @property
    def advice(self) -> str:
        """The direction as the start of a sentence."""
        if self is Direction.UNCLEAR:
            return "This trial is too short to tell which way the rate should go"
        return f"{self.value.capitalize()} the rate"


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The difference that a factor makes, compared with a factor of 1 on the same batches.

    Attributes:
        factor: the factor of the present rate.
        mean: the loss with this factor minus the loss with a factor of 1; below 0 is better.
        error: standard error of the mean over judging batches.
        p: p-value of the paired t test, two-sided, times the number of factors tried (Bonferroni).
    """

    factor: float
    mean: float
    error: float
    p: float


@dataclass(frozen=True, kw_only=True)
class WhatIf(ProbeResult):
    """The loss at other rates, and which way the rate should go.

    Attributes:
        lr: the present rate, the highest of the groups.
        factors: the factors of it that were tried.
        steps: updates at a constant rate.
        anneal: further updates while the rate falls to 0.
        judged: how many batches each loss is an average over.
        before: the loss before the trial.
        constant: the loss of each factor after its updates at a constant rate.
        annealed: the loss of each factor after its anneal. Both are infinite if it diverged.
        constant_gains: the gain of each factor other than 1, at a constant rate.
        annealed_gains: the gain of each factor other than 1, after the anneal.
        confidence: the level at which a difference counts.
        verdict: which way the rate should go.
    """

    kind: ClassVar[str] = "what_if"

    lr: float
    factors: tuple[float, ...]
    steps: int
    anneal: int
    judged: int
    before: float
    constant: tuple[float, ...]
    annealed: tuple[float, ...]
    constant_gains: tuple[Gain, ...]
    annealed_gains: tuple[Gain, ...]
    confidence: float
    verdict: Direction

    @property
    def words(self) -> str:
        """Whether to raise, lower or keep the rate, and the losses that show it."""
        losses = ", ".join(
            f"{factor:g}x: {constant:.4g}, annealed {annealed:.4g}"
            for factor, constant, annealed in zip(
                self.factors, self.constant, self.annealed, strict=True
            )
        )
        return (
            f"{self.verdict.advice} ({self.lr:.3g}). {self._reason()} Loss before: "
            f"{self.before:.4g}; after {self.steps} updates, and after {self.anneal} more while the "
            f"rate falls to 0: {losses}. Such a short trial does not say when to decay the rate; "
            "that depends on the rest of the run."
        )

    def _reason(self) -> str:
        if self.verdict is Direction.LOWER:
            if not self._wins(self.annealed_gains, lower=True):
                return "At the present rate the loss diverges, and at a lower rate it does not."
            return (
                "A lower rate is ahead even after all are annealed to 0, which removes the advantage "
                "that a lower rate has from less noise."
            )
        if self.verdict is Direction.RAISE:
            return (
                "A higher rate is ahead even before the anneal, although a higher rate has more "
                "noise at that point."
            )
        if self.verdict is Direction.KEEP:
            return (
                "A lower rate is ahead before the anneal, as it always is because of its lower "
                "noise, but not after it: this is no reason to lower the rate now."
            )
        return "Every difference may be due to bias or chance."

    def _wins(self, gains: tuple[Gain, ...], *, lower: bool) -> bool:
        return _wins(gains, self.confidence, lower=lower)

    def finding(self, step: int) -> Finding | None:
        """The verdict as a finding, LR106 or LR203; None unless the rate should change.

        Args:
            step: the update that was about to happen.
        """
        if self.verdict not in {Direction.LOWER, Direction.RAISE}:
            return None
        lower = self.verdict is Direction.LOWER
        after = lower and self._wins(self.annealed_gains, lower=True)
        best = _best(self.annealed_gains if after else self.constant_gains, lower=lower)
        caution = (
            "."
            if lower
            else ", unless the run is in its warm-up or its decay. Early in a run, a short trial "
            "favours high rates."
        )
        return Finding(
            code="LR106" if lower else "LR203",
            severity=Severity.WARNING if lower else Severity.ADVICE,
            step=step,
            message=(
                f"Tried from here, {best.factor:g} times the rate is ahead by {-best.mean:.2g} in "
                f"loss (p = {best.p:.1g}), {'even after an anneal' if after else 'before any anneal'}."
            ),
            evidence=self.to_dict(),
            remedy=f"{self.verdict.advice}, to about {best.factor * self.lr:.2g}{caution}",
        )


def gains_of(factors: tuple[float, ...], losses: list[np.ndarray]) -> tuple[Gain, ...]:
    """The gain of each factor other than 1, from the losses of the judging batches.

    Args:
        factors: what was tried, 1 included.
        losses: the losses of each factor, shape (batches,).
    """
    base = losses[factors.index(1.0)]
    others = [
        (factor, factor_losses)
        for factor, factor_losses in zip(factors, losses, strict=True)
        if factor != 1
    ]
    return tuple(
        _gain(factor, factor_losses, base, len(others)) for factor, factor_losses in others
    )


def _gain(factor: float, losses: np.ndarray, base: np.ndarray, count: int) -> Gain:
    diverged, base_diverged = not np.isfinite(losses).all(), not np.isfinite(base).all()
    if diverged and base_diverged:
        return Gain(factor=factor, mean=0.0, error=math.inf, p=1.0)
    if diverged or base_diverged:
        mean = math.inf if diverged else -math.inf
        return Gain(factor=factor, mean=mean, error=0.0, p=0.0)
    change = losses - base
    mean = float(change.mean())
    error = float(change.std(ddof=1)) / math.sqrt(change.size)
    p = min(1.0, count * _p_value(mean, error, change.size))
    return Gain(factor=factor, mean=mean, error=error, p=p)


def _p_value(mean: float, error: float, size: int) -> float:
    from scipy.special import stdtr  # noqa: PLC0415 - slow to load

    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(2.0 * stdtr(size - 1, -abs(mean) / error))


def direction_of(
    constant_gains: tuple[Gain, ...],
    annealed_gains: tuple[Gain, ...],
    confidence: float,
    *,
    diverges: bool,
) -> Direction:
    """Which way the rate should go; each direction must win against its bias, see `what_if`.

    Args:
        constant_gains: the gain of each factor other than 1, at a constant rate.
        annealed_gains: the gain of each factor other than 1, after the anneal.
        confidence: the level at which a difference counts.
        diverges: whether the present rate doubled the loss.
    """
    lower_wins_before = _wins(constant_gains, confidence, lower=True)
    lower = _wins(annealed_gains, confidence, lower=True) or (lower_wins_before and diverges)
    higher = _wins(constant_gains, confidence, lower=False)
    if lower != higher:
        return Direction.LOWER if lower else Direction.RAISE
    if not lower and lower_wins_before:
        return Direction.KEEP
    return Direction.UNCLEAR


def _wins(gains: tuple[Gain, ...], confidence: float, *, lower: bool) -> bool:
    """Whether a lower (or a higher) factor is significantly ahead."""
    return any(
        gain.mean < 0 and gain.p < 1 - confidence for gain in gains if (gain.factor < 1) is lower
    )


def _best(gains: tuple[Gain, ...], *, lower: bool) -> Gain:
    return min((gain for gain in gains if (gain.factor < 1) is lower), key=lambda gain: gain.mean)
