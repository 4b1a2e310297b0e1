"""The rules of watch, fed with what a run records while it records it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np

from learnrate.watch import Watcher

if TYPE_CHECKING:
    from learnrate.run._steering import Steering
    from learnrate.watch import Finding, Observations

__all__ = ["Live"]


class Live:
    """An observer of a recorder: gives each finding once, when it holds.

    Args:
        steering: has the schedule with its edits so far, which the rates are to follow. It is held
            weakly: a recorder's thread must not keep a run alive that nobody has any more.
    """

    def __init__(self, steering: Steering) -> None:
        self._steering, self._known = weakref.ref(steering), steering.edited
        self._watcher: Watcher | None = None
        self._last = -1

    def __call__(self, seen: Observations) -> tuple[Finding, ...]:
        """The findings that these new rows bring."""
        if self._watcher is None:
            self._watcher = Watcher(
                seen.run, total_steps=seen.total_steps, schedule=seen.schedule, facts=seen.facts
            )
        self._replan(self._watcher)
        step, columns = _without_late_validation(seen, self._last)
        if not step.size:
            return ()
        self._last = int(step[-1])
        return self._watcher.feed(step, columns, seen.facts)

    def finish(self) -> tuple[Finding, ...]:
        """The findings that the run's end brings: what one look is enough for once it is over."""
        if self._watcher is None:
            return ()
        self._replan(self._watcher)
        return self._watcher.finish()

    def _replan(self, watcher: Watcher) -> None:
        steering = self._steering()
        if steering is None or steering.edited is self._known:
            return
        edited = self._known = steering.edited
        steps = [edit.step for edit in edited.edits if edit.step is not None]
        schedule = None if edited.base is None else edited.schedule
        watcher.replan(schedule=schedule, total_steps=edited.total_steps, edits=steps)


def _without_late_validation(
    seen: Observations, last: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The rows, a validation of an update that was seen before moved to the next one.

    As a row of its own at an old step it would read as a resume.
    """
    late = (seen.step <= last) & np.isnan(seen.column("loss"))
    columns = {name: held[~late] for name, held in seen.columns.items()}
    values = seen.column("validation")[late]
    if late.any() and not late.all() and np.isnan(columns["validation"][0]):
        columns["validation"] = columns["validation"].copy()
        columns["validation"][0] = values[-1]
    return seen.step[~late], columns
