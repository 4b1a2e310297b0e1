"""LR204: the rate is likely too low, because the weights move in a straight line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._path import rate_multiple, straight_path_lacks, times_text
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "PathStraightOptions"]


class PathStraightOptions(RuleOptions):
    """Thresholds of LR204.

    Attributes:
        multiple: the best rate must be estimated at this many times the rate or more. The value was
            chosen on sixteen families of tasks, each left out in turn. Among runs at the best rate
            whose path is straight, the lowest estimate was about a quarter of the best rate.
    """

    multiple: float = 5.0


class _PathStraight(Rule[PathStraightOptions]):
    title = "the rate is likely too low: the weights move in a straight line"
    severity = Severity.ADVICE
    needs = ("lr",)
    explains = frozenset({"LR201"})

    def check(self, reading: Reading, options: PathStraightOptions) -> Finding | None:
        estimate = rate_multiple(reading)
        if estimate is None or estimate.multiple > 1.0 / options.multiple:
            return None
        multiple, path = 1.0 / estimate.multiple, estimate.path
        return self.finding(
            step=estimate.step,
            message=(
                f"The rate is likely about {times_text(multiple)} times too low (between "
                f"{times_text(max(1.0 / estimate.high, 1.0))} and {times_text(1.0 / estimate.low)} "
                f"times). The weights moved by {path['path_distance']:.2g} times their initial norm, the "
                f"cosine between the two halves of their path is {path['path_turn_2']:.2g} (1: same "
                f"direction), and the slope of the loss at the end of a half is still "
                f"{path['path_slope_2']:.0%} of the slope at its beginning."
            ),
            evidence=estimate.evidence(reading.peak_or_none),
            remedy=(
                f"Raise the peak rate by a factor of {times_text(1.0 / estimate.high)}, to "
                f"{rate_text(reading.peak / estimate.high, 2)}, in a short run first, or find it with "
                "learnrate plan."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        return straight_path_lacks(reading)

    def example(self, run: ExampleRun) -> Observations:
        path = {"path_distance": 0.02, "path_early": 0.13}
        path |= {f"path_turn_{part}": 0.99 for part in (2, 4, 8)}
        path |= {f"path_slope_{part}": 0.9 for part in (1, 2, 4, 8)}
        return run.observed(total_steps=run.total_steps, facts=run.path(path))


RULE = _PathStraight()
