"""How a run ended: where its loop says so, and where nobody does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from learnrate.store import RunStatus

if TYPE_CHECKING:
    from learnrate.run._agreement import Agreement
    from learnrate.run._steering import Fate
    from learnrate.store import Recorder

__all__ = ["dropped", "status_of"]


def status_of(error: BaseException) -> RunStatus:
    """How a run ended that an error ended."""
    return RunStatus.STOPPED if isinstance(error, KeyboardInterrupt) else RunStatus.FAILED


def dropped(recorder: Recorder, fate: Fate, agreement: Agreement | None) -> None:
    """The script ended, or dropped the run, without a word: say how it looks."""
    if agreement is not None:
        agreement.close()
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    status = RunStatus.DIVERGED if fate.gave_up else RunStatus.STOPPED
    if fate.stopped is None and (fate.total_steps is None or recorder.step >= fate.total_steps):
        status = RunStatus.FINISHED
    if error is not None and not hasattr(sys, "ps1"):  # a prompt keeps errors that were survived
        status = status_of(error)
    recorder.close(status)
