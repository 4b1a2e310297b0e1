"""Changes of the store, sent to open pages as server-sent events."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from fastapi.sse import ServerSentEvent

from learnrate._errors import LearnrateError
from learnrate.dashboard._models import RunSummary
from learnrate.store import EditStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from learnrate.dashboard._state import Shutdown
    from learnrate.store import Store

__all__ = ["changes", "list_state", "run_state"]

_READ_EVERY = 0.5  # seconds between reads of the store
_ALIVE_EVERY = 5.0  # seconds without a change before an event that says that all is well
_MOST_LISTED = 200

State = tuple[Any, dict[str, Any]]
"""A value to compare with the last one, and the data of the event."""


async def changes(
    read_state: Callable[[], State], shutdown: Shutdown
) -> AsyncIterator[ServerSentEvent]:
    """Events: `state` if what `read_state` returns has changed, `alive` if not, `trouble`.

    `trouble` means that the store cannot be read; it is read again until it can.
    """
    last_state: Any = None
    last_event = time.monotonic()
    yield ServerSentEvent(event="alive", data={}, retry=1000)
    while not shutdown.requested:
        try:
            state, data = await asyncio.to_thread(read_state)
        except LearnrateError as error:
            state, event = str(error), ServerSentEvent(event="trouble", data={"error": str(error)})
        else:
            event = ServerSentEvent(event="state", data=data)
        if state != last_state:
            yield event
            last_state, last_event = state, time.monotonic()
        elif time.monotonic() - last_event > _ALIVE_EVERY:
            yield ServerSentEvent(event="alive", data={})
            last_event = time.monotonic()
        await asyncio.sleep(_READ_EVERY)


def run_state(store: Store, run: str) -> State:
    """The state of a run: its summary, and the numbers of findings, edits, answers and so on."""
    stored_run = store.run(run)
    edits = store.edits(run)
    counts = {
        "findings": len(store.findings(run)),
        "edits": len(edits),
        "answered": sum(edit.status is not EditStatus.PENDING for edit in edits),
        "attempts": len(store.attempts(run)),
        "snapshots": len(store.snapshots(run)),
    }
    summary = RunSummary.of(stored_run).model_dump(mode="json")
    return (stored_run.updated, summary["status"], counts), {"run": summary, **counts}


def list_state(store: Store) -> State:
    """The state of the newest runs."""
    runs = store.runs(newest=_MOST_LISTED)
    live = sum(run.live for run in runs)
    states = [(run.id, str(run.status), run.updated) for run in runs]
    return states, {"runs": len(runs), "live": live}
