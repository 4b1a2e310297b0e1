"""The rules of `learnrate.watch`, applied to a run while it is recorded."""

from __future__ import annotations

import contextlib
import warnings
import weakref
from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import LearnrateError
from learnrate.store import Store
from learnrate.watch import Watcher

if TYPE_CHECKING:
    from learnrate.run._live_edits import LiveEdits
    from learnrate.store import Recorder
    from learnrate.watch import Finding, Observations

__all__ = ["LiveWatch", "live_watch_of"]


class LiveWatch:
    """An observer of a recorder that returns each finding once, as soon as it holds.

    Args:
        edits: have the schedule with its edits so far, which the rates are compared with. Only a weak
            reference is kept, so that the recorder's thread does not keep an unused run alive.
        url: the store of the run, whose past is read when the run is resumed; None for no past.
    """

    def __init__(self, edits: LiveEdits, url: str | None = None) -> None:
        self._url = url
        self._edits, self._edited = weakref.ref(edits), edits.edited
        self._watcher: Watcher | None = None
        self._last_step = -1
        self._warned_of: set[str] = set()

    def __call__(self, rows: Observations) -> tuple[Finding, ...]:
        """The findings that follow from new rows."""
        if self._watcher is None:
            has_groups = bool(self._edited.separate_groups) and self._edited.base is not None
            self._watcher = Watcher(
                rows.run,
                total_steps=rows.total_steps,
                schedule=self._edited.highest if has_groups else rows.schedule,
                facts=rows.facts,
            )
            self._read_past(self._watcher, rows)
        self._update_schedule(self._watcher)
        steps, columns = _without_late_validation(rows, self._last_step)
        if not steps.size:
            return ()
        self._last_step = int(steps[-1])
        new = self._watcher.feed(steps, columns, rows.facts)
        self._warn_of_failures(self._watcher)
        return new

    def _read_past(self, watcher: Watcher, rows: Observations) -> None:
        """Tell the watcher what was recorded of the run before this process resumed it."""
        first = int(rows.step[0])
        if first == 0 or self._url is None:
            return
        try:
            store = Store(self._url)
            past, findings = store.observations(rows.run), store.findings(rows.run)
            store.close()
        except LearnrateError:  # the recorder says what is wrong with the store
            return
        watcher.resume_run(past, findings, step=first)

    def finish(self) -> tuple[Finding, ...]:
        """The findings of rules that need the end of the run."""
        if self._watcher is None:
            return ()
        self._update_schedule(self._watcher)
        new = self._watcher.finish()
        self._warn_of_failures(self._watcher)
        return new

    def _warn_of_failures(self, watcher: Watcher) -> None:
        """Warn once of each rule that failed; the others continue."""
        for code, reason in watcher.failures.items():
            if code not in self._warned_of:
                self._warned_of.add(code)
                with contextlib.suppress(RuntimeWarning):  # where warnings are errors
                    warnings.warn(f"learnrate: {code}: {reason}", RuntimeWarning, stacklevel=2)

    @property
    def not_judged(self) -> str:
        """A sentence on what could not be judged of the rate, and why; empty until the run ends."""
        return "" if self._watcher is None else self._watcher.not_judged

    @property
    def not_trained(self) -> str:
        """Which parts of the model are not trained; empty if none, and before the first rows."""
        return "" if self._watcher is None else self._watcher.not_trained

    def _update_schedule(self, watcher: Watcher) -> None:
        edits = self._edits()
        if edits is None or edits.edited is self._edited:
            return
        edited = self._edited = edits.edited
        steps = [edit.step for edit in edited.edits if edit.step is not None]
        schedule = None if edited.base is None else edited.highest
        watcher.replan(schedule=schedule, total_steps=edited.total_steps, edits=steps)


def live_watch_of(recorder: Recorder | None) -> LiveWatch | None:
    """The live watch among the observers of a recorder; None if there is none."""
    observers = () if recorder is None else recorder.observers
    return next((watch for watch in observers if isinstance(watch, LiveWatch)), None)


def _without_late_validation(
    rows: Observations, last_step: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The rows, with a validation loss of an earlier update moved to the next update.

    In a row of its own, at an old step, the rules would take it for a resume.
    """
    late = (rows.step <= last_step) & np.isnan(rows.column("loss"))
    columns = {name: values[~late] for name, values in rows.columns.items()}
    validation = rows.column("validation")[late]
    if late.any() and not late.all() and np.isnan(columns["validation"][0]):
        columns["validation"] = columns["validation"].copy()
        columns["validation"][0] = validation[-1]
    return rows.step[~late], columns
