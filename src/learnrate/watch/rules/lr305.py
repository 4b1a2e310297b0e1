"""LR305: the rate jumped on resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._restarts import unintended_gap
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "JumpedOptions"]

_PREFIX = 0.03  # share of the rows that must follow the schedule before the rate leaves it
_FEWEST = 4  # rows that must follow it


class JumpedOptions(RuleOptions):
    """Thresholds of LR305.

    Attributes:
        factor: the rate must differ by at least this factor from the schedule, if the schedule is
            known, and otherwise from the continuation of the earlier rates.
    """

    factor: float = 1.1


class _Jump(NamedTuple):
    """A row, the rates before and after it, the expected rate, and whether the resume is known."""

    row: int
    before: float
    after: float
    expected: float
    is_known: bool


def _off_schedule(reading: Reading, options: JumpedOptions) -> _Jump | None:
    """The jump with which the rate leaves the known schedule that it followed before."""
    follows, scheduled = reading.follows_schedule, reading.scheduled
    if follows is None or scheduled is None or follows.all() or not follows[0]:
        return None
    row = int(np.argmin(follows))
    if row < max(_FEWEST, _PREFIX * follows.size) or follows[row:].mean() > 0.5:
        return None
    schedule = reading.observations.schedule
    total_steps = (
        schedule.total_steps
        if schedule is not None and schedule.total_steps
        else reading.total_steps
    )
    if reading.rate.step[row] >= total_steps:  # past its end: LR303 and LR306
        return None
    before, after = float(reading.rate.value[row - 1]), float(reading.rate.value[row])
    prescribed = float(scheduled[row])
    is_apart = max(prescribed, after) >= options.factor * min(prescribed, after)
    jumps = max(before, after) >= options.factor * min(before, after)
    return _Jump(row, before, after, prescribed, True) if is_apart and jumps else None


def _off_course(reading: Reading, options: JumpedOptions) -> _Jump | None:
    """The first break in the course of the rate that no schedule explains."""
    resumed = [int(step) for step in reading.facts.get("resumed_at", ())]
    gap = unintended_gap(
        reading.course,
        resumed_at=resumed,
        edits={int(step) for step in reading.facts.get("edits", ())},
        is_live=reading.live,
    )
    if gap is None:
        return None
    expected = max(gap.expected, 0.0)
    if max(expected, gap.after) < options.factor * min(expected, gap.after):
        return None
    first = int(reading.rate.step[gap.row - 1])
    is_known = any(first < step <= reading.rate.step[gap.row] + 1 for step in resumed)
    return _Jump(gap.row, gap.before, gap.after, expected, is_known)


class _Jumped(Rule[JumpedOptions]):
    title = "the rate jumped on resume"
    severity = Severity.ERROR
    needs = ("lr",)
    rows = 10
    explains = frozenset({"LR102", "LR103", "LR108", "LR302", "LR303", "LR304", "LR306", "LR308"})
    shows = ("lr",)

    def check(self, reading: Reading, options: JumpedOptions) -> Finding | None:
        is_planned = reading.scheduled is not None
        jump = (_off_schedule if is_planned else _off_course)(reading, options)
        if jump is None:
            return None
        before, after = jump.before, jump.after
        step = int(reading.rate.step[jump.row])
        source = "The schedule prescribes" if is_planned else "The earlier rates would continue at"
        change_text = (
            f"by a factor of {max(after, before) / min(after, before):.2g}"
            if min(after, before) > 0
            else "to or from 0"
        )
        return self.finding(
            step=step,
            severity=Severity.ERROR if jump.is_known else Severity.WARNING,
            message=(
                f"The rate {'rose' if after > before else 'fell'} at step {step:,} {change_text}, from {rate_text(before)} to "
                f"{rate_text(after)}. {source} {rate_text(max(0.0, jump.expected))}, so after an "
                "interruption the rate did not continue where it had stopped."
            ),
            evidence={
                "before": before,
                "after": after,
                "meant": max(0.0, jump.expected),
                "resume_known": jump.is_known,
            },
            remedy=(
                "Restore the state of the scheduler together with that of the optimizer, or compute the "
                "rate from the step number. A restored scheduler ignores a rate that was changed in a "
                "config."
            ),
        )

    def example(self, run: ExampleRun) -> Observations:
        return run.observed(lr=np.where(run.step < 300, 1.0, 3.0) * run.cosine(run.total_steps))


RULE = _Jumped()
