"""LR402: the loss is flat at chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._statistics import rising_rank_p
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import thinned

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "AtChanceOptions"]


class AtChanceOptions(RuleOptions):
    """Thresholds of LR402. Chance is the loss of a model that has learned nothing.

    Attributes:
        below: the loss may lie below chance by this many standard deviations of its noise.
        above: the loss may lie above chance by this many; too high a rate for what is learned keeps
            it a little above.
        errors: beside these it may lie off by this many standard errors of a level.
        significance: the second half still falls if the p-value of a rank test is below this.
        falls: a loss that still falls is not flat if it fell in the second half by more than this
            many standard errors of a level.
        moved: the norms of all updates must add up to this share of the norm of the weights, before
            a flat loss is attributed to the data. They added up to 1 or more in runs with shuffled
            labels, and to 0.02 to 0.4 in runs at a hundredth of the rate.
        share_done: this share of the run must be over.
    """

    below: float = 1.0
    above: float = 4.0
    errors: float = 4.0
    significance: float = 0.01
    falls: float = 4.0
    moved: float = 0.25
    share_done: float = 0.1


class _AtChance(Rule[AtChanceOptions]):
    title = "the loss is flat at chance"
    severity = Severity.WARNING
    needs = ("loss",)
    explains = frozenset({"LR103", "LR201", "LR301", "LR302", "LR401"})

    def check(self, reading: Reading, options: AtChanceOptions) -> Finding | None:
        if reading.steps_done < options.share_done * reading.total_steps:
            return None
        if reading.moved is not None and reading.moved < options.moved:
            return None
        chance = reading.chance
        assert chance is not None  # noqa: S101 - `_lacks` is called before
        levels, slack = reading.levels.value, options.errors * reading.level_error
        late = levels[levels.size // 2 :]
        lowest, median = float(late.min()), float(np.median(late))
        below = chance - options.below * reading.noise - slack
        if lowest < below or reading.best < below:
            return None
        if median > chance + options.above * reading.noise + slack:
            return None
        falls = rising_rank_p(thinned(-late)) < options.significance
        is_below = chance - reading.end > reading.level_error and median <= reading.start
        fallen = float(late[:5].mean() - late[-5:].mean())
        if falls and (is_below or fallen > options.falls * reading.level_error):
            return None  # it learns, or is on its way to chance
        return self.finding(
            step=None,
            message=(
                f"The loss is flat at chance: {median:.4g} over the last half of the run, where a model "
                f"that has learned nothing has {chance:.4g}. It has likely learned nothing."
            ),
            evidence={
                "level": median,
                "chance": chance,
                "start": reading.start,
                "best": reading.best,
            },
            remedy=(
                "Check first that labels belong to their inputs and that inputs reach the model; try "
                "to fit one batch. If that works, the rate is far off: run learnrate find."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        if not reading.is_descent:
            return reading.why_not_judged
        if reading.chance is not None:
            return None
        return (
            "neither the chance-level loss nor the number of classes is known; give attach(criterion=...), "
            "or the fact classes or chance, or --classes"
        )

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(loss=2.303 + 0.02 * run.noise, facts={"classes": 10})


RULE = _AtChance()
