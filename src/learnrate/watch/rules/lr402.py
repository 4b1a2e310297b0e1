"""LR402: the loss stays at chance level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._statistics import rising_rank_p
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._tracks import neighbour_std, thinned

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "AtChanceOptions"]


_PARTS = 10


class AtChanceOptions(RuleOptions):
    """Thresholds of LR402. Chance is the loss of a model that has learned nothing.

    Attributes:
        below: the mean over the second half may be below chance by at most this share of chance.
            The mean over any tenth of the run may be below chance by as much, plus its error.
        above: the mean may be above chance by at most this share of chance. If the rate is too
            high, the loss stays slightly above chance.
        errors: the error of a mean is this many times its standard error.
        largest_error: the error of the mean must be less than this share of chance. With fewer rows
            or more noise, nothing is reported.
        significance: the loss still falls in the second half if the p-value of a rank test is below
            this value.
        falls: a loss that still falls is not flat if it fell by more than this many standard errors
            of a level in the second half.
        moved: if the sizes of the updates are known, the sum of their norms must be at least this
            share of the norm of the weights. Otherwise the cause may be the rate and not the data.
            The sum was 1 or more in runs with shuffled labels, and 0.02 to 0.4 in runs at a
            hundredth of the rate.
        share_done: at least this share of the run must be over.
        rate_share: the second half must have at least this share of the sum of all rates. Otherwise
            the loss is flat because the rate has decayed.
    """

    below: float = 0.03
    above: float = 0.2
    errors: float = 3.0
    largest_error: float = 0.05
    significance: float = 0.01
    falls: float = 4.0
    moved: float = 0.25
    share_done: float = 0.2
    rate_share: float = 0.1


def _part_means(losses: np.ndarray) -> np.ndarray:
    """The means of ten equal parts."""
    return np.array([part.mean() for part in np.array_split(losses, _PARTS)])


def _is_near(reading: Reading, chance: float, options: AtChanceOptions) -> bool:
    """Whether the second half is at chance, with a small error, and no part of the run was below."""
    losses, size = reading.finite_loss.value, abs(chance)
    late, parts = _part_means(losses[losses.size // 2 :]), _part_means(losses)
    mean, error = float(late.mean()), options.errors * float(late.std(ddof=1)) / _PARTS**0.5
    if error > options.largest_error * size:
        return False
    if not -options.below * size <= mean - chance <= options.above * size:
        return False
    error_of_part = options.errors * neighbour_std(parts)
    return bool(parts.min() >= chance - options.below * size - error_of_part)


class _AtChance(Rule[AtChanceOptions]):
    title = "the loss stays at chance level"
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
        if not _is_near(reading, chance, options):
            return None
        progress = reading.progress
        if progress is not None and 1 - progress[progress.size // 2] < options.rate_share:
            return None
        levels = reading.levels.value
        late = levels[levels.size // 2 :]
        median = float(np.median(late))
        falls = rising_rank_p(thinned(-late)) < options.significance
        is_below = chance - reading.end > reading.level_error and median <= reading.start
        fallen = float(late[:5].mean() - late[-5:].mean())
        if falls and (is_below or fallen > options.falls * reading.level_error):
            return None  # it learns, or is on its way to chance
        return self.finding(
            step=None,
            message=(
                f"The loss stays at chance level: it is {median:.4g} over the second half of the run, and "
                f"{chance:.4g} for a model that has learned nothing. The model has likely learned nothing."
            ),
            evidence={
                "level": median,
                "chance": chance,
                "start": reading.start,
                "best": reading.best,
            },
            remedy=(
                "First check that labels match their inputs and that inputs reach the model. Then try to "
                "fit a single batch. If that works, the rate is far off: run learnrate find."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        if not reading.is_descent:
            return reading.why_not_judged
        if reading.chance is not None:
            return None
        return (
            "neither the loss at chance level nor the number of classes is known; give run.step the loss "
            "as a tensor, attach(criterion=...), the fact classes or chance, or --classes"
        )

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(loss=2.303 + 0.02 * run.noise, facts={"classes": 10})


RULE = _AtChance()
