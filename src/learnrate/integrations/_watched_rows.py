"""The rules of `learnrate.watch` on the rows of a run that a framework trains."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from learnrate._errors import LearnrateError
from learnrate.store import Sink, Store
from learnrate.watch import Watcher

if TYPE_CHECKING:
    from learnrate.edits import Edited
    from learnrate.integrations._stored_edits import StoredEdits
    from learnrate.watch import Finding, Observations

__all__ = ["WatchedRows"]


class WatchedRows(Sink):
    """An observer of a recorder that returns each finding once, as soon as it holds.

    Args:
        edits: have the schedule with its edits so far.
        url: the store, whose past of the run is read when the run is resumed.
    """

    def __init__(self, edits: StoredEdits, url: str) -> None:
        self._edits, self._url = edits, url
        self._edited: Edited | None = edits.edited
        self._watcher: Watcher | None = None

    def __call__(self, rows: Observations) -> tuple[Finding, ...]:
        """The findings that follow from new rows."""
        if self._watcher is None:
            self._watcher = Watcher(
                rows.run, total_steps=rows.total_steps, schedule=rows.schedule, facts=rows.facts
            )
            is_edited = bool(self._edits.edited.edits)
            self._edited = None if is_edited else self._edits.edited
            self._read_past(self._watcher, rows)
        self._update_schedule(self._watcher)
        return self._watcher.feed(rows.step, rows.columns, rows.facts)

    def finish(self) -> tuple[Finding, ...]:
        """The findings of rules that need the end of the run."""
        return () if self._watcher is None else self._watcher.finish()

    def close(self) -> None:
        """Does nothing, because no file or connection is open."""

    def _read_past(self, watcher: Watcher, rows: Observations) -> None:
        first = int(rows.step[0])
        if first == 0:
            return
        with suppress(LearnrateError), closing(Store(self._url, create=False)) as store:
            past, findings = store.observations(rows.run), store.findings(rows.run)
            watcher.resume_run(past, findings, step=first)

    def _update_schedule(self, watcher: Watcher) -> None:
        if self._edits.edited is self._edited:
            return
        edited = self._edited = self._edits.edited
        steps = [edit.step for edit in edited.edits if edit.step is not None]
        schedule = None if edited.base is None else edited.schedule
        watcher.replan(schedule=schedule, total_steps=edited.total_steps, edits=steps)
