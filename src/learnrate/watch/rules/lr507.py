"""LR507: the loss is far higher after a resume than before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import tail_std

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "WeightsLostOptions"]

_ROWS = 40  # before a resume, from which the level and the noise are taken
_LEAST = 10


class WeightsLostOptions(RuleOptions):
    """Thresholds of LR507.

    Attributes:
        noise: the first loss after a resume must exceed the level before it by at least this many
            standard deviations of a loss. It must also exceed all losses just before the resume.
        rise: it must exceed the level before the resume by at least this share of the fall from
            the start to that level.
    """

    noise: float = 10.0
    rise: float = 0.5


def _finding(resume: int, level: float, first: float, start: float) -> Finding:
    return RULE.finding(
        step=resume,
        message=(
            f"The first loss after the resume at step {resume:,} is {first:.4g}. The loss was "
            f"{level:.4g} before the resume and {start:.4g} at the start. No update was made in between, so "
            "the weights are likely not those that were saved, or the data are different."
        ),
        evidence={"resumed_at": resume, "before": level, "after": first, "start": start},
        remedy=(
            "Check that model.load_state_dict is called before the first batch, with the checkpoint of "
            "this step, and that all keys match."
        ),
    )


class _WeightsLost(Rule[WeightsLostOptions]):
    title = "the loss is far higher after a resume than before"
    severity = Severity.WARNING
    needs = ("loss",)
    spacing = 1.0
    explains = frozenset({"LR101", "LR102", "LR103"})

    def check(self, reading: Reading, options: WeightsLostOptions) -> Finding | None:
        losses = reading.finite_loss
        for resume in reading.facts.get("resumed_at") or ():
            before = losses.before(resume).value[-_ROWS:]
            after = losses.since(resume)
            if before.size < _LEAST or not after.value.size or after.step[0] != resume:
                continue
            level, first = float(np.median(before)), float(after.value[0])
            fall = reading.start - level
            is_high = first - level > max(options.noise * tail_std(before), options.rise * fall)
            if fall > 0.0 and is_high and first > before.max():
                return _finding(int(resume), level, first, reading.start)
        return None

    def lacks(self, reading: Reading) -> str | None:
        return (
            None
            if reading.facts.get("resumed_at")
            else "the run was not resumed, as far as is known"
        )

    def example(self, run: ExampleRun) -> Observations:
        decay = np.where(run.step < 300, run.step, run.step - 300)
        loss = 0.2 + 2.1 * np.exp(-decay / 25) + 0.03 * run.noise
        return run.observed(loss=loss, facts={"resumed_at": [300]})


RULE = _WeightsLost()
