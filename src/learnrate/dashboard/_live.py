"""Changes of the store, sent to open pages as server-sent events."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from zlib import crc32

from fastapi.sse import ServerSentEvent

from learnrate._errors import LearnrateError
from learnrate.dashboard._models import RunSummary
from learnrate.store import EditStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from learnrate.dashboard._state import Shutdown
    from learnrate.store import Store

__all__ = ["LIST_TOPIC", "State", "changes", "list_state", "run_state"]

LIST_TOPIC = "runs"

_READ_EVERY = 0.5  # seconds between reads of the store
_ALIVE_EVERY = 5.0  # seconds without a change before an event that says that all is well
_MOST_LISTED = 200

State = tuple[Any, dict[str, Any]]
"""A value to compare with the last one, and the data of the event."""


async def changes(
    readers: Mapping[str, Callable[[], State]], shutdown: Shutdown
) -> AsyncIterator[ServerSentEvent]:
    """Events: `state` if what a reader returns has changed, `alive` if nothing has, `trouble`.

    `trouble` means that the store cannot be read; reading is repeated until it succeeds. Each event but
    `alive` names its topic.

    Args:
        readers: the readers, by their topics.
        shutdown: ends the events.
    """
    last_states: dict[str, Any] = {}
    last_event = time.monotonic()
    yield ServerSentEvent(event="alive", data={}, retry=1000)
    while not shutdown.requested:
        for topic, read_state in readers.items():
            state, event = await asyncio.to_thread(_event, topic, read_state)
            if topic not in last_states or state != last_states[topic]:
                yield event
                last_states[topic], last_event = state, time.monotonic()
        if time.monotonic() - last_event > _ALIVE_EVERY:
            yield ServerSentEvent(event="alive", data={})
            last_event = time.monotonic()
        await asyncio.sleep(_READ_EVERY)


def _event(topic: str, read_state: Callable[[], State]) -> tuple[Any, ServerSentEvent]:
    """A value to compare, and the event to send if it has changed."""
    try:
        state, data = read_state()
    except LearnrateError as error:
        message = {"topic": topic, "error": str(error)}
        return str(error), ServerSentEvent(event="trouble", data=message)
    return state, ServerSentEvent(event="state", data={"topic": topic, **data})


def run_state(store: Store, run: str) -> State:
    """The state of a run: its summary, and the numbers of findings, edits, answers and so on."""
    stored_run = store.run(run)
    run = stored_run.id
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
    states = [
        (
            run.id,
            run.name,
            str(run.status),
            run.updated,
            run.lifecycle,
            run.pinned,
            run.tags,
            run.note,
        )
        for run in runs
    ]
    version = crc32(repr(states).encode())
    return version, {"runs": len(runs), "live": live, "version": version}
