"""The rescue of a run whose loss diverges: the guard goes back and lowers the rate, or gives up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from learnrate._errors import FileError
from learnrate.edits import AUTOMATIC, Edit, EditKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from learnrate.run._ending import Ending
    from learnrate.run._guard import GuardState
    from learnrate.run._recorded_snapshots import RecordedSnapshots

__all__ = ["Rescuer"]


@dataclass
class Rescuer:
    """Rescues a run whose guard noticed trouble, by edits like those that a person makes.

    Attributes:
        state: what the guard remembers of the losses.
        ending: the ending of the run.
        snapshots: the snapshots to go back to.
        apply: applies an edit of the run itself; returns the step to make after it.
        rates_at: the edited rates of a step; factors if an external scheduler sets the rates.
        count: rescues so far.
    """

    state: GuardState
    ending: Ending
    snapshots: RecordedSnapshots
    apply: Callable[[Edit], int]
    rates_at: Callable[[int], Iterable[float]]
    count: int = 0

    def rescue(self, reason: str, step: int) -> int:
        """Go back for a reason and lower the rate, or give up; returns the step to make.

        Args:
            reason: what the guard noticed.
            step: the update about to happen.

        Raises:
            FileError: a snapshot is gone or was changed, and other ranks must go back to the same one.
        """
        rollback = self.state.choose_rollback(step, self.snapshots.steps)
        if rollback.discard is not None:
            self.snapshots.drop(rollback.discard)
        if self.count >= self.state.guard.max_rescues or rollback.step is None:
            self._give_up(reason, step)
            return step
        rate_in_trouble = self._highest_rate(step - 1)
        try:
            after = self.apply(_edit_of_guard(EditKind.ROLLBACK, rollback.step, reason, step))
        except FileError:  # its file is gone or was changed; an older one may work
            if self.snapshots.shared:
                raise
            self.snapshots.drop(rollback.step)
            return self.rescue(reason, step)
        self.count += 1
        self.state.add_rescue(step, rollback.step)
        rate_after_rollback = self._highest_rate(step - 1)
        factor = 1.0 if rollback.at_once else self.state.guard.factor
        if rate_after_rollback > 0:
            factor *= min(1.0, rate_in_trouble / rate_after_rollback) or 1.0
        if factor < 1.0:
            reason = f"{reason}; rescue {self.count} of {self.state.guard.max_rescues}"
            self.apply(_edit_of_guard(EditKind.SCALE, factor, reason, after))
        return after

    def _highest_rate(self, step: int) -> float:
        """The highest rate of an update; its factor if an external scheduler sets the rates."""
        return max(map(abs, self.rates_at(max(step, 0))), default=0.0)

    def _give_up(self, reason: str, step: int) -> None:
        # The edit makes a replay end at this step too.
        self.apply(_edit_of_guard(EditKind.STOP, None, reason, step))
        self.ending.gave_up = True
        self.ending.stopped = (
            f"{reason} at step {step - 1}, after {self.count} rescues. Lower the peak rate or "
            "run learnrate plan; if the loss diverges at the same data each time, check the data."
        )


def _edit_of_guard(kind: EditKind, value: float | None, reason: str, step: int) -> Edit:
    return Edit(kind=kind, value=value, author=AUTOMATIC, reason=reason, step=step)
