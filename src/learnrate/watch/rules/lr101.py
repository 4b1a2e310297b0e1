"""LR101: the loss diverged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "DivergedOptions"]


@dataclass(frozen=True, kw_only=True)
class DivergedOptions(RuleOptions):
    """Thresholds of LR101.

    Attributes:
        rise: the loss must have risen from its lowest level by more than this share of its fall.
        noise: the rise must exceed this many standard errors of a level.
        least: the rise must exceed this share of the lowest level, so that a loss that never fell
            must rise further.
        above: a run that ends no better than it began has diverged if the median of its loss lies
            above its start by more than this share of the start.
        rows: while a run goes on, this many losses in a row must not be finite.
    """

    rise: float = 0.5
    noise: float = 8.0
    least: float = 0.1
    above: float = 0.25
    rows: float = 3


def _check(reading: Reading, options: DivergedOptions) -> Finding | None:
    loss = reading.loss
    finite_rows = np.flatnonzero(np.isfinite(loss.value))
    first_bad = int(finite_rows[-1]) + 1 if finite_rows.size else 0
    bad_rows = loss.value.size - first_bad
    if bad_rows >= (1 if reading.finished or not reading.live else options.rows):
        last_finite = float(loss.value[first_bad - 1]) if first_bad else None
        step = int(loss.step[first_bad])
        before = "" if last_finite is None else f"; before that it was {last_finite:.3g}"
        return _finding(
            reading,
            step,
            f"The loss is not finite from step {step:,} on{before}.",
            {"not_finite_rows": bad_rows, "last_finite": last_finite},
        )
    if finite_rows.size < 20:
        return None
    levels = reading.levels
    best, end = reading.best, float(levels.value[-3:].min())
    rise = end - best
    median = float(np.median(levels.value[levels.value.size // 10 :]))
    if median - reading.start > options.above * abs(reading.start) and end >= 0.95 * reading.start:
        step = int(levels.step[int(np.argmax(levels.value > reading.start))])
        return _finding(
            reading,
            step,
            f"The loss lies far above its start, {reading.start:.3g}, from about step {step:,} on: "
            f"its median is {median:.3g}, and it ends at {end:.3g}.",
            {"start": reading.start, "median": median, "end": end},
        )
    if rise <= max(
        options.rise * reading.fall, options.noise * reading.level_error, options.least * abs(best)
    ):
        return None
    middle = best + 0.5 * rise
    below = np.flatnonzero(levels.value < middle)
    step = int(levels.step[int(below[-1]) + 1 if below.size else 0])
    return _finding(
        reading,
        step,
        f"The loss diverged near step {step:,}: it rose from {best:.3g}, its lowest level, to "
        f"{end:.3g} at the end; it began at {reading.start:.3g}.",
        {"start": reading.start, "best": best, "end": end},
    )


def _finding(reading: Reading, step: int, message: str, evidence: dict[str, object]) -> Finding:
    rate = reading.rate_at(step)
    rate_sentence = "" if rate is None else f" The rate was {rate_text(rate, 2)}."
    target = "" if rate is None else f" to {rate_text(reading.peak / 4, 2)}"
    warm_up = (
        " and warm up over the first 5 to 10 % of the run"
        if step < 0.1 * reading.total_steps
        else ""
    )
    return RULE.finding(
        step=step,
        message=message + rate_sentence,
        evidence=evidence | {"rate": rate},
        remedy=(
            f"Lower the peak rate{target} or less{warm_up}; resume from a checkpoint before that "
            "step. A single bad batch has the same effect, so check the data of that step."
        ),
    )


RULE = Rule(
    code="LR101",
    name="diverged",
    title="the loss diverged",
    severity=Severity.ERROR,
    needs=("loss",),
    options=DivergedOptions(),
    check=_check,
    example=lambda run: run.observed(
        loss=np.where(run.step < 350, run.loss, 2.6 + 0.1 * run.noise)
    ),
    rows=1,
    explains=frozenset(
        {"LR102", "LR103", "LR104", "LR105", "LR201", "LR202", "LR301", "LR302", "LR304"}
        | {"LR401", "LR402"}
    ),
)
