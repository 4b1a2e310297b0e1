"""LR202: nothing is learned, because the weights are frozen or the rate is 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate._statistics import rising_rank_p
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import levels_of, share_text

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "NotLearningOptions"]


@dataclass(frozen=True, kw_only=True)
class NotLearningOptions(RuleOptions):
    """Thresholds of LR202.

    Attributes:
        ratio: the weights are frozen if the norm of the update over that of the weights is below
            this. A ratio near 1e-3 is usual; float32 cannot represent one below 6e-8.
        share: the rate must be 0, or the weights frozen, in this share of the rows.
        significance: a loss still falls if the p-value of a rank test for a fall is below this.
        fall: a loss counts as learning if it has fallen by more than this share of its start.
        moved: a flat loss is attributed to the rate only if the norms of all updates, if recorded,
            add up to less than this share of the norm of the weights; see LR402.
        share_done: this share of the run must be over for a verdict from the loss alone.
    """

    ratio: float = 1e-8
    share: float = 0.9
    significance: float = 0.01
    fall: float = 0.01
    moved: float = 0.25
    share_done: float = 0.1


def _check(reading: Reading, options: NotLearningOptions) -> Finding | None:
    rate, ratio = reading.rate, reading.track("update_ratio")
    zero_share = float(np.mean(rate.value == 0.0)) if rate.step.size else 0.0
    frozen_share = float(np.mean(ratio.value < options.ratio)) if ratio.step.size else 0.0
    if zero_share >= options.share:
        why = f"the rate is 0 in {share_text(zero_share)} of the rows"
        remedy = "Set the rate: a schedule that starts at 0 must be stepped before every update."
    elif frozen_share >= options.share:
        why = f"the updates change the weights by less than {options.ratio:g} of their norm"
        remedy = (
            "Check that the optimizer holds the parameters of the model that is trained, and that "
            "they require gradients; then that the rate is not vanishingly small."
        )
    elif _is_flat(reading, options) and not _is_at_chance(reading):
        why = f"the loss stays at {reading.start:.4g}"
        peak_text = f" of {rate_text(reading.peak, 2)}" if rate.step.size else ""
        remedy = (
            f"Raise the peak rate{peak_text} a hundredfold for a short test, or run learnrate "
            "find; if the loss stays, check that the optimizer holds the parameters of the model."
        )
    else:
        return None
    return RULE.finding(
        step=None,
        message=f"Nothing is learned in {reading.steps_done:,} updates: {why}.",
        evidence={
            "start": reading.start,
            "end": reading.end,
            "share_of_rows_at_rate_0": zero_share,
            "share_of_rows_without_update": frozen_share,
            "peak": reading.peak_or_none,
        },
        remedy=remedy,
    )


def _is_at_chance(reading: Reading) -> bool:
    """Whether the loss is so close to chance that LR402 applies instead."""
    return reading.chance is not None and abs(reading.end / reading.chance - 1.0) < 0.1


def _is_flat(reading: Reading, options: NotLearningOptions) -> bool:
    """Whether the loss has neither a falling trend nor a fall, from its first row on."""
    if reading.steps_done < options.share_done * reading.total_steps:
        return False
    if reading.moved is not None and reading.moved >= options.moved:
        return False
    levels = levels_of(reading.finite_loss, 24).value
    low, high = levels[-8:].mean(), max(reading.start, levels[:3].mean())
    if abs(high - low) > options.fall * abs(high) + 4.0 * reading.level_error:
        return False
    spread = float(levels.max() - levels.min())
    if spread > 4.0 * options.fall * abs(high) + 10.0 * reading.level_error:
        return False
    falls = rising_rank_p((-levels).tolist()) < options.significance
    return not (falls and high - low > 0.2 * options.fall * abs(high))


RULE = Rule(
    code="LR202",
    name="not_learning",
    title="nothing is learned: the weights are frozen, or the rate is 0",
    severity=Severity.ERROR,
    needs=("loss",),
    options=NotLearningOptions(),
    check=_check,
    example=lambda run: run.observed(loss=2.3 + 0.03 * run.noise, lr=0.0 * run.lr),
    explains=frozenset({"LR201", "LR301", "LR302", "LR402", "LR103"}),
)
