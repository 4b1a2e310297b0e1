"""Runs that continue from a checkpoint of a framework."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError, StoreError
from learnrate.store import RunStatus, Store

if TYPE_CHECKING:
    from learnrate.run import Run

__all__ = ["load_state"]


def load_state(run: Run, state: dict[str, Any], callback: str, *, change_schedule: bool) -> None:
    """Continue a run from the state in a checkpoint; if that is refused, the run is removed.

    Args:
        run: a run that was just attached.
        state: the result of `Run.state_dict`.
        callback: the name of the callback, for the message.
        change_schedule: continue under the schedule of `run`, although the state has another one.

    Raises:
        ArgumentError: the state was saved under another schedule or with other controllers.
    """
    try:
        run.load_state_dict(state, change_schedule=change_schedule)
    except ArgumentError as error:
        _remove(run)
        message, _, way_out = str(error).partition("Attach with the same schedule")
        if way_out:
            message += (
                f"Pass the same schedule, or {callback}(..., change_schedule=True) to continue "
                "under the new one."
            )
        raise ArgumentError(message) from None


def _remove(run: Run) -> None:
    """End a run that made no update, and delete it from the store."""
    recorder = run.recorder
    run.finish(RunStatus.FAILED)
    if recorder is not None:
        with suppress(StoreError), closing(Store(recorder.url, create=False)) as store:
            store.delete_run(recorder.run)
