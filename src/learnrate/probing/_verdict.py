"""What a what-if probe found, and which way the rate should go by it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np

from learnrate.probing._result import Result
from learnrate.watch import Finding, Severity

__all__ = ["Direction", "Gain", "WhatIf", "gains_of", "verdict_of"]


class Direction(StrEnum):
    """Which way the rate should go; the value is the advice."""

    LOWER = "lower the rate"
    RAISE = "raise the rate"
    KEEP = "keep the rate"
    UNCLEAR = "not to be told from so short a trial"


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What another factor gave, against the factor of 1, on the same batches.

    Attributes:
        factor: of the present rate.
        mean: loss at this factor less the loss at 1: below 0 is better.
        error: standard error of the mean over judging batches.
        p: chance of a difference of this size, either way, if there were none, by the paired t
            test, times the number of factors tried (Bonferroni).
    """

    factor: float
    mean: float
    error: float
    p: float


@dataclass(frozen=True, kw_only=True)
class WhatIf(Result):
    """What became of the loss at other rates, and which way the rate should go.

    Attributes:
        lr: the present rate, the highest of the groups.
        factors: of it that were tried.
        steps: updates at the tried rate.
        anneal: further updates on the way from it to 0.
        judged: batches that losses are averages over.
        before: the loss before.
        held: the loss of each factor after its updates at the tried rate.
        annealed: the loss of each factor after its anneal; both infinite where it diverged.
        held_gains: of each factor other than 1.
        annealed_gains: of each factor other than 1, after the anneal.
        level: of p at which a difference counts.
        verdict: which way the rate should go.
    """

    kind: ClassVar[str] = "what_if"

    lr: float
    factors: tuple[float, ...]
    steps: int
    anneal: int
    judged: int
    before: float
    held: tuple[float, ...]
    annealed: tuple[float, ...]
    held_gains: tuple[Gain, ...]
    annealed_gains: tuple[Gain, ...]
    level: float
    verdict: Direction

    @property
    def words(self) -> str:
        """The verdict and what it rests on."""
        tried = ", ".join(
            f"{factor:g}x: {held:.4g}, annealed {annealed:.4g}"
            for factor, held, annealed in zip(self.factors, self.held, self.annealed, strict=True)
        )
        return (
            f"{_capital(self.verdict.value)} ({self.lr:.3g}). {self._reason()} "
            f"Loss from {self.before:.4g} after {self.steps} updates, and {self.anneal} more down "
            f"to a rate of 0: {tried}. Only so short a future was tried: the rest of the run, not "
            "this, says when to decay."
        )

    def _reason(self) -> str:
        if self.verdict is Direction.LOWER:
            if not self._ahead(self.annealed_gains, lower=True):
                return "At the present rate the loss runs away, and at a lower one it does not."
            return (
                "A lower rate is ahead even once all are annealed to 0, which takes away what a "
                "lower rate gains by less noise alone."
            )
        if self.verdict is Direction.RAISE:
            return (
                "A higher rate is ahead already before any anneal, although at once a higher rate "
                "shows more noise."
            )
        if self.verdict is Direction.KEEP:
            return (
                "A lower rate falls at once, as it always does by its lower noise, and after the "
                "anneal it is not ahead: no reason to cut now."
            )
        return "No difference that bias or chance does not explain."

    def _ahead(self, gains: tuple[Gain, ...], *, lower: bool) -> bool:
        return _wins(gains, self.level, lower=lower)

    def finding(self, step: int) -> Finding | None:
        """The verdict as a finding, where the rate should change: LR106 or LR203.

        Args:
            step: the update that was about to happen.
        """
        if self.verdict not in {Direction.LOWER, Direction.RAISE}:
            return None
        lower = self.verdict is Direction.LOWER
        after = lower and self._ahead(self.annealed_gains, lower=True)
        best = _best(self.annealed_gains if after else self.held_gains, lower=lower)
        return Finding(
            code="LR106" if lower else "LR203",
            severity=Severity.WARNING if lower else Severity.ADVICE,
            step=step,
            message=(
                f"Tried from here, {best.factor:g} times the rate is ahead by {-best.mean:.2g} in "
                f"loss (p = {best.p:.1g}), {'even after an anneal' if after else 'before any anneal'}."
            ),
            evidence=self.to_dict(),
            remedy=(
                f"{_capital(self.verdict.value)}, to about {best.factor * self.lr:.2g}"
                + (
                    "."
                    if lower
                    else ", unless the run is in its warm-up or its decay; early in a run a short "
                    "trial flatters high rates."
                )
            ),
        )


def gains_of(factors: tuple[float, ...], losses: list[np.ndarray]) -> tuple[Gain, ...]:
    """Each factor but 1 against it, from the judging batches' losses of each."""
    base = losses[factors.index(1.0)]
    others = [
        (factor, found) for factor, found in zip(factors, losses, strict=True) if factor != 1
    ]
    return tuple(_gain(factor, found, base, len(others)) for factor, found in others)


def _gain(factor: float, found: np.ndarray, base: np.ndarray, count: int) -> Gain:
    lost, base_lost = not np.isfinite(found).all(), not np.isfinite(base).all()
    if lost or base_lost:
        if lost and base_lost:
            return Gain(factor=factor, mean=0.0, error=math.inf, p=1.0)
        return Gain(factor=factor, mean=math.inf if lost else -math.inf, error=0.0, p=0.0)
    change = found - base
    mean = float(change.mean())
    error = float(change.std(ddof=1)) / math.sqrt(change.size)
    return Gain(
        factor=factor, mean=mean, error=error, p=min(1.0, count * _p(mean, error, change.size))
    )


def _p(mean: float, error: float, size: int) -> float:
    from scipy.special import stdtr  # noqa: PLC0415 - slow to load

    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(2.0 * stdtr(size - 1, -abs(mean) / error))


def verdict_of(
    held: tuple[Gain, ...], annealed: tuple[Gain, ...], level: float, *, runs_away: bool
) -> Direction:
    """Which way: each direction is believed only against its bias; see `what_if`."""
    now = _wins(held, level, lower=True)
    lower = _wins(annealed, level, lower=True) or (now and runs_away)
    higher = _wins(held, level, lower=False)
    if lower != higher:
        return Direction.LOWER if lower else Direction.RAISE
    if not lower and now:
        return Direction.KEEP
    return Direction.UNCLEAR


def _wins(gains: tuple[Gain, ...], level: float, *, lower: bool) -> bool:
    return any(one.mean < 0 and one.p < level for one in gains if (one.factor < 1) is lower)


def _best(gains: tuple[Gain, ...], *, lower: bool) -> Gain:
    return min((one for one in gains if (one.factor < 1) is lower), key=lambda one: one.mean)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
