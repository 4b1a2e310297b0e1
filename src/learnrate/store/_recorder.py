"""Recorder: writes one run's points from a thread of its own, whatever the database does."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import LearnrateError
from learnrate._row_checks import RowChecks
from learnrate.store._backlog import Backlog
from learnrate.store._chunks import table_of
from learnrate.store._fallback import Fallback
from learnrate.store._place import display_place, is_writing, url_of
from learnrate.store._records import RunStatus
from learnrate.store._run_writer import NewAttempt, RunWriter
from learnrate.store._warnings import WarnOnce, warn
from learnrate.store._writes import run_fields
from learnrate.watch import COLUMNS, Finding, Observations, measured_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from learnrate.schedules import Schedule
    from learnrate.store._chunks import Row, Rows
    from learnrate.store._sink import Sink

    Observer = Sink | Callable[[Observations], Iterable[Finding] | None]
    Numbers = Callable[[Sequence[Any]], Sequence[float]]

__all__ = ["Recorder"]

_WRITE_EVERY = 0.7  # seconds between writes: a killed process loses less than a second of points
_SIGN_OF_LIFE_EVERY = 5.0  # seconds between writes if there is nothing to write
_LONGEST_PAUSE = 10.0  # seconds between attempts while the store cannot be written
_FALLBACK_AFTER = 30.0  # seconds without a write after which points go to a file beside the store
_LOCK_WAIT = 2.0  # seconds that one attempt waits for other writers
_FINAL = (RunStatus.FINISHED, RunStatus.DIVERGED)  # a stopped or failed run may be resumed


class Recorder:
    """Writes the points of one run in a thread of its own, so that training does not wait.

    `add` only appends to a list. The thread converts rows to numbers, shows them to `observers`,
    and writes every 0.7 seconds. In a fast run observers see the first rows sooner, if
    `show_rows_if_due` is called after each row. A process that is killed loses at most one second of points. If
    the store cannot be written (a full disk, a lock, a damaged file), the recorder warns once,
    keeps up to `keep` rows, and writes them when the store can be written again. After half a
    minute, and at the end, they also go to a store beside it, which `learnrate merge` adds to the
    first one. It raises no exception for any of this.

    Args:
        place: the place of the store; see `Store`.
        names: the columns of a row, in the order of its values.
        name: the name of the run.
        total_steps: updates of the whole run; None if unknown.
        schedule: the schedule of the rate; None if unknown.
        limits: the limits of edits, as JSON values by name.
        facts: other JSON values by name.
        numbers: converts the values of one column, such as tensors, to floats; it is called in
            the thread.
        keep: the most rows to keep while the store cannot be written; beyond that the oldest are
            dropped.

    Attributes:
        observers: sinks, or functions of one argument, that receive the rows.
        findings: what the observers returned so far.
        step: the update about to happen; the owner sets it.

    Raises:
        ArgumentError: the place is neither a file nor a URL of SQLite or PostgreSQL.
        MissingExtraError: PostgreSQL's driver is not installed.
    """

    def __init__(
        self,
        place: str | Path | None = None,
        *,
        names: Sequence[str] = COLUMNS,
        name: str = "run",
        total_steps: int | None = None,
        schedule: Schedule | None = None,
        limits: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
        numbers: Numbers = list,
        keep: int = 200_000,
    ) -> None:
        url = url_of(place)
        self.place = display_place(url)
        self.url = url.render_as_string(hide_password=False)
        self.observers: list[Observer] = []
        self.background_task: Callable[[], None] | None = None  # called about once a second
        self.findings: list[Finding] = []
        self.step = 0
        self._run_facts: dict[str, Any] = {
            "total_steps": total_steps,
            "schedule": schedule,
            "facts": dict(facts or {}),
        }
        self._measured: dict[str, Any] = {}  # by probes, and of the path of the weights
        self._names, self._numbers = tuple(names), numbers
        self._queue: deque[Any] = deque()
        self.add = self._queue.append  # the fastest call for every update
        self._backlog = Backlog(keep)
        fields = run_fields(name, total_steps, schedule, limits or {}, facts or {})
        self._writer = RunWriter(url, fields, _LOCK_WAIT)
        self._fallback = Fallback(url)
        self._row_checks = RowChecks()
        self._wake, self._ended = threading.Event(), threading.Event()
        self._write_requested = threading.Event()  # not only a call of the observers
        self._store_warning, self._callback_warning = WarnOnce(), WarnOnce()
        self._owner = os.getpid()
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._work, name="learnrate", daemon=True)
        self.wake()  # so that the run is in the store immediately
        self._thread.start()

    add: Callable[[Row], None]
    """Add a row: the step, the values in the order of `names` (None if missing), and other columns
    by name or None. A value that is not a number is recorded as infinite, since nan means a missing
    value."""

    @property
    def run(self) -> str:
        """The id of the run, by which a store knows it."""
        return self._writer.run

    def newest_edit(self) -> int:
        """The sequence number of the run's newest edit; 0 without any.

        Call it only from `background_task`, in the recorder's thread.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._writer.newest_edit()

    def begin_attempt(self, first_step: int, reason: str, run: str | None = None) -> None:
        """Record the following rows as a new attempt.

        Args:
            first_step: the first step of the attempt; it supersedes what was recorded from this
                step on.
            reason: why it begins, such as "resumed".
            run: the id of another run to continue. The recorder's own run is deleted if it has
                no points. If another process still writes that run, this run continues.
        """
        self._queue.append(NewAttempt(first_step, reason, run))
        if run is not None:
            self.flush(_LOCK_WAIT)  # so that `self.run` is the other run from here on

    def wake(self) -> None:
        """Let the thread work now, instead of within 0.7 seconds."""
        self._write_requested.set()
        self._wake.set()

    def show_rows_if_due(self, step: int) -> None:
        """Show new rows to the observers now, if enough rows came since the last time.

        Enough is at least eight rows, and a quarter of the rows before. Nothing is shown while the
        observers have used more than half a percent of the run's time.

        Args:
            step: the step of the row that was added last.
        """
        if step >= self._row_checks.next_step:
            self.show_rows()

    def show_rows(self) -> None:
        """Show new rows to the observers now, and write only what they find."""
        self._row_checks.next_step = math.inf
        self._wake.set()

    def add_finding(self, finding: Finding) -> None:
        """Add a finding to the run; it is written immediately."""
        self.findings.append(finding)
        self._queue.append(finding)
        self.wake()

    def flush(self, wait: float = 10.0) -> bool:
        """Wait up to `wait` seconds until all rows added so far are written; whether they are."""
        if os.getpid() != self._owner:
            return False
        written = threading.Event()
        self._queue.append(written)
        self.wake()
        return written.wait(wait)

    def close(
        self, status: RunStatus | str, wait: float = 5.0, *, abandoned: bool = False
    ) -> None:
        """Write the remaining rows and how the run ended, and end the thread.

        Python may delete an abandoned run, and so close its recorder, in any thread at any time.
        Then it does not wait in a thread that keeps the store locked. It never waits in the
        recorder's own thread.

        Args:
            status: how the run ended.
            wait: seconds to try for, if the store cannot be written.
            abandoned: whether the run was deleted without an end.
        """
        if os.getpid() != self._owner or self._deadline is not None:
            return  # in a forked process, or closed before
        self._queue.append(RunStatus(status))
        self._deadline = time.monotonic() + wait
        self.wake()
        locked = abandoned and is_writing()
        if not locked and threading.current_thread() is not self._thread:
            self._ended.wait(wait + _LOCK_WAIT)

    # Everything below runs in the thread.

    def _work(self) -> None:
        pause, last_write = _WRITE_EVERY, time.monotonic() - _SIGN_OF_LIFE_EVERY
        flushes: list[threading.Event] = []
        while True:
            self._show_rows_for(pause, flushes)
            self._run_background_task()
            silent = time.monotonic() - last_write >= _SIGN_OF_LIFE_EVERY
            if self._backlog or silent or flushes:
                written = self._write()
                pause = _WRITE_EVERY if written else min(2 * pause, _LONGEST_PAUSE)
                if not written and time.monotonic() - last_write > _FALLBACK_AFTER:
                    self._backlog.save(self._fallback, self._writer, self.step)
                if written:
                    last_write = time.monotonic()
                    for flush in flushes:
                        flush.set()
                    flushes.clear()
            if self._deadline is not None:
                if not self._backlog and not self._queue:
                    break
                if time.monotonic() > self._deadline:
                    break
                pause = min(pause, _WRITE_EVERY)
        self._end_backlog()
        self._writer.close()
        self._close_observers()
        self._ended.set()

    def _show_rows_for(self, pause: float, flushes: list[threading.Event]) -> None:
        """Show new rows to the observers whenever that is due, until the next write or a finding.

        Args:
            pause: seconds until then.
            flushes: is extended by those that wait for the rows to be written.
        """
        end = time.monotonic() + pause
        while True:
            self._wake.wait(max(0.0, end - time.monotonic()))
            self._wake.clear()
            write_requested, findings = self._write_requested.is_set(), len(self.findings)
            if write_requested:
                self._write_requested.clear()
            flushes += self._drain_queue()
            if write_requested or time.monotonic() >= end or len(self.findings) > findings:
                return

    def _end_backlog(self) -> None:
        """Save records that could not be written, and report where they are, or that they are lost."""
        backlog = self._backlog
        saved = backlog.save(self._fallback, self._writer, self.step)
        self._fallback.close()
        lost = backlog.lost_rows + (0 if saved else backlog.rows)
        if lost:
            warn(f"{_points(lost)} of the run {self.run} could not be written to {self.place}.")
        if backlog.saved_rows:
            warn(
                f"{_points(backlog.saved_rows)} of the run {self.run} could not be written to "
                f"{self.place}; they are in {self._fallback.place}. "
                "learnrate merge FILE --store PLACE adds them to a store that works."
            )

    def _run_background_task(self) -> None:
        if self.background_task is None or not self._writer.in_store:
            return
        try:
            self.background_task()
        except LearnrateError as error:
            self._store_warning(f"{error} Training continues; edits wait until this is fixed.")
        except Exception as error:  # noqa: BLE001 - as for observers
            self._callback_warning(_raised(self.background_task, error))

    def _drain_queue(self) -> list[threading.Event]:
        """Move the queue to the backlog; returns the flushes that wait for it to be written."""
        flushes: list[threading.Event] = []
        rows: list[Row] = []
        for _ in range(len(self._queue)):
            record = self._queue.popleft()
            if type(record) is tuple:
                rows.append(record)
                continue
            self._take_rows(rows)
            rows = []
            if isinstance(record, threading.Event):
                flushes.append(record)
                continue
            if record in _FINAL:
                self._call_observers("finish")
            self._backlog.put(record)
        self._take_rows(rows)
        return flushes

    def _take_rows(self, rows: list[Row]) -> None:
        if not rows:
            return
        try:
            table = table_of(rows, self._names, self._numbers)
        except Exception as error:  # noqa: BLE001 - a value that is not a number loses only its rows
            count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
            self._callback_warning(f"{count} cannot be recorded: {error}")
            return
        self._backlog.put(table)
        self._show_observers(table)

    def _show_observers(self, rows: Rows) -> None:
        if not self.observers:
            return
        began = time.thread_time()
        step, columns = rows
        for name, values in measured_facts(columns, step).items():
            earlier = self._measured.get(name, []) if isinstance(values, list) else None
            self._measured[name] = values if earlier is None else [*earlier, *values]
        known = {name: column for name, column in columns.items() if name in COLUMNS}
        complete = np.any([~np.isnan(column) for column in known.values()], axis=0)
        if not np.any(complete):  # only measurements of probes
            return
        known = {name: column[complete] for name, column in known.items()}
        facts = {**self._run_facts["facts"], **self._measured}
        run_facts = {**self._run_facts, "facts": facts}
        self._call_observers(
            "__call__",
            Observations(run=self.run, step=step[complete], columns=known, **run_facts),
        )
        last_step, new = int(step[complete][-1]), int(complete.sum())
        self._row_checks.add(last_step, new, time.thread_time() - began)

    def _call_observers(self, method: str, *arguments: Observations) -> None:
        for observer in list(self.observers):
            call = getattr(
                observer, method, None
            )  # a function does not have all methods of a sink
            if call is None:
                continue
            try:
                for finding in call(*arguments) or ():
                    self.findings.append(finding)
                    self._backlog.put(finding)
            except Exception as error:  # noqa: BLE001 - an observer must not stop the training
                self._callback_warning(_raised(observer, error))

    def _close_observers(self) -> None:
        callables: list[Any] = [*self.observers, self.background_task]
        for observer in filter(None, callables):
            try:
                if hasattr(observer, "close"):
                    observer.close()
            except Exception as error:  # noqa: BLE001 - as above
                self._callback_warning(_raised(observer, error))

    def _write(self) -> bool:
        try:
            self._backlog.write(self._writer, self.step)
        except LearnrateError as error:
            self._store_warning(f"{error} Training continues; its points are written later.")
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, training continues
            self._store_warning(f"the store {self.place} fails ({type(error).__name__}: {error}).")
            return False
        if not self._backlog.saved_rows:
            self._fallback.remove()
        if self._writer.is_replaced:
            self._store_warning(
                f"the store {self.place} was moved, deleted or overwritten. The run {self.run} "
                "continues in a new store there. learnrate merge adds what was recorded before, if you still "
                "have the old file."
            )
        return True


def _points(count: int) -> str:
    return "1 point" if count == 1 else f"{count} points"


def _raised(callback: object, error: Exception) -> str:
    return f"{callback!r} raised {type(error).__name__}: {error}"
