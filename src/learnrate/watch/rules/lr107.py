"""LR107: the rate is likely too high, because the weights moved too far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import accumulation_hint
from learnrate.watch._path import path_lacks, rate_multiple, times_text
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "PathTooFarOptions"]


class PathTooFarOptions(RuleOptions):
    """Thresholds of LR107.

    Attributes:
        multiple: the rate must be estimated at this many times the best rate or more. If the errors
            of the estimates are normally distributed, with the 80 % range that was measured, 1 % of
            runs at the best rate get a higher estimate.
    """

    multiple: float = 7.0


class _PathTooFar(Rule[PathTooFarOptions]):
    title = "the rate is likely too high: the weights moved too far"
    severity = Severity.ADVICE
    early = True
    at_once = True
    needs = ("lr",)
    explains = frozenset({"LR109"})

    def check(self, reading: Reading, options: PathTooFarOptions) -> Finding | None:
        estimate = rate_multiple(reading)
        if estimate is None or estimate.multiple < options.multiple:
            return None
        path = estimate.path
        return self.finding(
            step=estimate.step,
            message=(
                f"The rate is likely about {times_text(estimate.multiple)} times too high (between "
                f"{times_text(max(estimate.low, 1.0))} and {times_text(estimate.high)} times). The "
                f"weights moved by {path['path_distance']:.2g} times their initial norm, and the cosine "
                f"between the two halves of their path is {path['path_turn_2']:.2g} (1: same direction, "
                "-1: opposite directions)."
            ),
            evidence=estimate.evidence(reading.peak_or_none),
            remedy=(
                f"Lower the peak rate by a factor of about {times_text(estimate.multiple)}, to "
                f"{rate_text(reading.peak / estimate.multiple, 2)}, or find it with learnrate plan."
                f"{accumulation_hint(reading)}"
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        return path_lacks(reading)

    def example(self, run: ExampleRun) -> Observations:
        path = {"path_distance": 12.0, "path_early": 0.6, "path_turn_2": 0.1}
        return run.observed(total_steps=run.total_steps, facts=run.path(path))


RULE = _PathTooFar()
