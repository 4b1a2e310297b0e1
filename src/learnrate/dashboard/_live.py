"""What happens in the store, told to open pages as server-sent events."""

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

    from learnrate.store import Store

__all__ = ["Stop", "changes", "list_state", "run_state"]

_EVERY = 0.5  # seconds from one look to the next
_SIGN_OF_LIFE = 5.0  # seconds without news after which a page is told that all is well
_LISTED = 200

State = tuple[Any, dict[str, Any]]
"""What is compared, and what is told of it."""


class Stop:
    """Says that the server ends, so that no open page keeps it from doing so."""

    said = False


async def changes(look: Callable[[], State], stop: Stop) -> AsyncIterator[ServerSentEvent]:
    """An event `state` when what `look` sees has changed, `alive` when nothing did, `trouble`.

    Trouble is the store's: it cannot be reached, say. It is looked at again until it can.
    """
    seen: Any = None
    told = time.monotonic()
    yield ServerSentEvent(event="alive", data={}, retry=1000)
    while not stop.said:
        try:
            now, told_of_it = await asyncio.to_thread(look)
        except LearnrateError as error:
            now, event = str(error), ServerSentEvent(event="trouble", data={"error": str(error)})
        else:
            event = ServerSentEvent(event="state", data=told_of_it)
        if now != seen:
            yield event
            seen, told = now, time.monotonic()
        elif time.monotonic() - told > _SIGN_OF_LIFE:
            yield ServerSentEvent(event="alive", data={})
            told = time.monotonic()
        await asyncio.sleep(_EVERY)


def run_state(store: Store, run: str) -> State:
    """How a run stands: its summary, and how many findings, edits, answers and snapshots it has."""
    about = store.run(run)
    edits = store.edits(run)
    counts = {
        "findings": len(store.findings(run)),
        "edits": len(edits),
        "answered": sum(edit.status is not EditStatus.PENDING for edit in edits),
        "attempts": len(store.attempts(run)),
        "snapshots": len(store.snapshots(run)),
    }
    summary = RunSummary.of(about).model_dump(mode="json")
    return (about.updated, summary["status"], counts), {"run": summary, **counts}


def list_state(store: Store) -> State:
    """How the newest runs stand."""
    runs = store.runs(newest=_LISTED)
    live = sum(run.live for run in runs)
    seen = [(run.id, str(run.status), run.updated) for run in runs]
    return seen, {"runs": len(runs), "live": live}
