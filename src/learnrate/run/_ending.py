"""The end of a run: when it is done, and with which status."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from learnrate._checks import refuse
from learnrate.edits import Edit, EditKind, note_on_undo
from learnrate.store import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.edits import Edited
    from learnrate.run._agreement import Agreement
    from learnrate.store import Recorder

__all__ = ["Ending", "checked_status", "close_abandoned", "note_on", "status_of"]


@dataclass
class Ending:
    """When a run ends. It has no reference to the run, so it still exists after the run is deleted.

    Attributes:
        total_steps: updates of the whole run as edited, if known.
        stopped: why the run ends early; None while it continues.
        gave_up: whether the guard stopped the run.
        is_over: whether the time of the run is over; None if it has no such limit.
    """

    total_steps: int | None
    stopped: str | None = None
    gave_up: bool = False
    is_over: Callable[[], bool] | None = None

    def is_reached(self, step: int) -> bool:
        """Whether the run makes no update at this step."""
        if self.stopped is not None or (self.is_over is not None and self.is_over()):
            return True
        return self.total_steps is not None and step >= self.total_steps


def checked_status(status: RunStatus | str) -> RunStatus:
    """How a run ended, if a run can end so.

    Raises:
        ArgumentError: it is not a status of a run that has ended.
    """
    ends = [end for end in RunStatus if end is not RunStatus.RUNNING]
    if status not in ends:
        refuse("finish", "status", f"one of {', '.join(ends)}", status)
    return RunStatus(status)


def note_on(edit: Edit, edited: Edited, planned_end: int | None) -> str:
    """What an undo takes back, or that a decay ends after the planned end of the run; else empty.

    Args:
        edit: the edit that takes effect.
        edited: the schedule with it.
        planned_end: updates of the whole run before it, if known.
    """
    if edit.kind is not EditKind.DECAY or planned_end is None:
        return note_on_undo(edited.edits)
    end = edited.group(edit.group or 0).schedule.total_steps or 0
    if end <= planned_end:
        return ""
    return (
        f"; the decay ends at step {end:,}, but the run was planned to end at {planned_end:,}: a "
        "loop that stops there, and not at run.done, leaves the rate above 0"
    )


def status_of(error: BaseException) -> RunStatus:
    """The status of a run that an error ended."""
    return RunStatus.STOPPED if isinstance(error, KeyboardInterrupt) else RunStatus.FAILED


def close_abandoned(recorder: Recorder, ending: Ending, agreement: Agreement | None) -> None:
    """Close a run whose script ended or deleted it without `finish`, with its likely status.

    Args:
        recorder: the recorder of the run; it is closed with the status.
        ending: the run's length, and whether it was stopped early.
        agreement: this rank's part of the agreement, closed first; None without other ranks.
    """
    if agreement is not None:
        agreement.close()
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    status = RunStatus.DIVERGED if ending.gave_up else RunStatus.STOPPED
    if ending.stopped is None and (
        ending.total_steps is None or recorder.step >= ending.total_steps
    ):
        status = RunStatus.FINISHED
    if error is not None and not hasattr(sys, "ps1"):  # an interactive prompt survives errors
        status = status_of(error)
    recorder.close(status, abandoned=True)
