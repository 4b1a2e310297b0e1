"""Recorder: writes one run's points from a thread of its own, whatever the database does."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import LearnrateError
from learnrate.store._backlog import Backlog
from learnrate.store._chunks import merged
from learnrate.store._place import shown, url_of
from learnrate.store._records import RunStatus
from learnrate.store._rows import sharpness_of
from learnrate.store._sink import Sink, Turn
from learnrate.store._writes import described
from learnrate.watch import COLUMNS, Finding, Observations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from learnrate.schedules import Schedule
    from learnrate.store._chunks import Rows

    Observer = Callable[[Observations], Iterable[Finding] | None]
    Numbers = Callable[[Sequence[Any]], Sequence[float]]

__all__ = ["Recorder"]

_EVERY = 0.7  # seconds between writes, so that a killed process loses less than one of points
_BEAT = 5.0  # seconds between signs of life where nothing else is written
_SLOWEST = 10.0  # seconds between tries while the store cannot be written
_PATIENCE = 2.0  # seconds one try waits for other writers
_OVER = (RunStatus.FINISHED, RunStatus.DIVERGED)  # one that stopped or failed may be resumed


class Recorder:
    """Writes the points of one run, off the training's path.

    `add` only appends to a list. A thread turns rows into numbers, shows them to `observers`, and
    writes every 0.7 seconds; a process killed at any moment loses at most one second of points.
    Where the store cannot be written (a full disk, a lock, a damaged file), it warns once, keeps
    up to `keep` rows, and writes them when that is possible again. Nothing of this is raised.

    Args:
        place: of the store; see `Store`.
        names: the columns of a row, in the order of its values.
        name: what the run is called.
        total_steps: updates of the whole run, if known.
        schedule: what the rate follows, if known.
        limits: what edits may not exceed, as JSON values by name.
        facts: further JSON values by name.
        numbers: makes floats of one column's values, such as tensors; called in the thread.
        keep: rows to hold while they cannot be written; beyond, the oldest are given up.

    Raises:
        ArgumentError: the place is of no kind known here.
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
        self.place = shown(url)
        self.url = url.render_as_string(hide_password=False)
        self.observers: list[Observer] = []
        self.errand: Callable[[], None] | None = None  # called in the thread, about once a second
        self.findings: list[Finding] = []
        self.step = 0
        self._about: dict[str, Any] = {
            "total_steps": total_steps,
            "schedule": schedule,
            "facts": dict(facts or {}),
        }
        self._measured: dict[str, Any] = {}  # by probes of the sharpness
        self._names, self._numbers = tuple(names), numbers
        self._arrived: deque[Any] = deque()
        self.add = self._arrived.append  # one call less for every update
        self._backlog = Backlog(keep)
        fields = described(name, total_steps, schedule, limits or {}, facts or {})
        self._sink = Sink(url, fields, _PATIENCE)
        self._wake, self._ended = threading.Event(), threading.Event()
        self._warned, self._complained = False, False
        self._owner = os.getpid()
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._work, name="learnrate", daemon=True)
        self._wake.set()  # so that the run is there at once
        self._thread.start()

    add: Callable[[tuple[int, tuple[Any, ...], Mapping[str, Any] | None]], None]
    """Take a row: the step, values in the order of `names` (None where there is none), and
    further columns by name or None. A value that is not a number is recorded as infinite, since
    nan says that there is none."""

    @property
    def run(self) -> str:
        """The run's id."""
        return self._sink.run

    def newest_edit(self) -> int:
        """The sequence number of the run's newest edit; for the errand, and its thread, alone.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._sink.newest_edit()

    def go_on(self, begins: int, reason: str, run: str | None = None) -> None:
        """What comes is another attempt, which begins at a step; of another run if one is named.

        A run of ours that has no points yet is given up for the one that is named.
        """
        self._arrived.append(Turn(begins, reason, run))
        if run is not None:
            self.flush(_PATIENCE)  # so that `run` is the one from here on

    def wake(self) -> None:
        """Let the thread do now what it would do within half a second."""
        self._wake.set()

    def add_finding(self, finding: Finding) -> None:
        """Keep a finding, and write it at once."""
        self.findings.append(finding)
        self._arrived.append(finding)
        self._wake.set()

    def flush(self, wait: float = 10.0) -> bool:
        """Wait until what was added is written, or for so many seconds; whether it was."""
        if os.getpid() != self._owner:
            return False
        marker = threading.Event()
        self._arrived.append(marker)
        self._wake.set()
        return marker.wait(wait)

    def close(self, status: RunStatus | str, wait: float = 5.0) -> None:
        """Write what is left and how the run ended, for so many seconds at most."""
        if os.getpid() != self._owner or self._deadline is not None:
            return  # a fork's copy, or closed already
        self._arrived.append(RunStatus(status))
        self._deadline = time.monotonic() + wait
        self._wake.set()
        self._ended.wait(wait + _PATIENCE)

    # In the thread

    def _work(self) -> None:
        pause, beat = _EVERY, -_BEAT
        waiting: list[threading.Event] = []
        while True:
            self._wake.wait(pause)
            self._wake.clear()
            waiting += self._take()
            self._go_on_errand()
            due = time.monotonic() - beat >= _BEAT
            if self._backlog or due or waiting:
                written = self._write()
                pause = _EVERY if written else min(2 * pause, _SLOWEST)
                if written:
                    beat = time.monotonic()
                    for marker in waiting:
                        marker.set()
                    waiting.clear()
            if self._deadline is not None:
                if not self._backlog and not self._arrived:
                    break
                if time.monotonic() > self._deadline:
                    break
                pause = min(pause, _EVERY)
        lost = self._backlog.rows + self._backlog.lost
        if lost:
            _say(f"{lost} points of the run {self.run} could not be written to {self.place}.")
        self._sink.close()
        self._let_go()
        self._ended.set()

    def _go_on_errand(self) -> None:
        if self.errand is None or not self._sink.begun:
            return
        try:
            self.errand()
        except LearnrateError as error:
            self._warn(f"{error} Training goes on, and edits wait until that is mended.")
        except Exception as error:  # noqa: BLE001 - as for observers
            self._complain(f"{self.errand!r} raised {type(error).__name__}: {error}")

    def _take(self) -> list[threading.Event]:
        """Move what has arrived to the backlog; gives who waits for it to be written."""
        waiting: list[threading.Event] = []
        rows: list[Any] = []
        for _ in range(len(self._arrived)):
            item = self._arrived.popleft()
            if type(item) is tuple:
                rows.append(item)
                continue
            self._take_rows(rows)
            rows = []
            if isinstance(item, threading.Event):
                waiting.append(item)
                continue
            if item in _OVER:
                self._ask_observers("finish")
            self._backlog.put(item)
        self._take_rows(rows)
        return waiting

    def _take_rows(self, rows: list[Any]) -> None:
        if not rows:
            return
        try:
            found = self._table(rows)
        except Exception as error:  # noqa: BLE001 - a value that is no number costs its rows only
            self._complain(f"{len(rows)} rows cannot be recorded: {error}")
            return
        self._backlog.put(found)
        self._show(found)

    def _table(self, rows: list[Any]) -> Rows:
        step = np.array([row[0] for row in rows], dtype=np.int64)
        by_name = dict(zip(self._names, zip(*(row[1] for row in rows), strict=True), strict=True))
        for name in {name for row in rows if row[2] for name in row[2]}:
            by_name[name] = tuple((row[2] or {}).get(name) for row in rows)
        columns = {
            name: self._column(held)
            for name, held in by_name.items()
            if any(value is not None for value in held)
        }
        return merged([(step, columns)])

    def _column(self, held: Sequence[Any]) -> np.ndarray:
        column = np.array(self._numbers(held), dtype=float)  # None becomes nan
        if np.isnan(column).any():
            given = np.array([value is not None for value in held])
            column[np.isnan(column) & given] = np.inf
        return column

    def _show(self, rows: Rows) -> None:
        if not self.observers:
            return
        step, columns = rows
        for name, found in sharpness_of(columns, step).items():
            before = self._measured.get(name, []) if isinstance(found, list) else None
            self._measured[name] = found if before is None else [*before, *found]
        known = {name: held for name, held in columns.items() if name in COLUMNS}
        full = np.any([~np.isnan(held) for held in known.values()], axis=0)
        if not np.any(full):  # rows of what probes found alone
            return
        step, known = step[full], {name: held[full] for name, held in known.items()}
        about = {**self._about, "facts": {**self._about["facts"], **self._measured}}
        seen = Observations(run=self.run, step=step, columns=known, **about)
        self._ask_observers("__call__", seen)

    def _ask_observers(self, method: str, *seen: Observations) -> None:
        for observer in list(self.observers):
            try:
                for finding in getattr(observer, method, _nothing)(*seen) or ():
                    self.findings.append(finding)
                    self._backlog.put(finding)
            except Exception as error:  # noqa: BLE001 - who watches must not stop the training
                self._complain(f"{observer!r} raised {type(error).__name__}: {error}")

    def _let_go(self) -> None:
        for observer in filter(None, (*self.observers, self.errand)):
            try:
                getattr(observer, "close", _nothing)()
            except Exception as error:  # noqa: BLE001 - as above
                self._complain(f"{observer!r} raised {type(error).__name__}: {error}")

    def _write(self) -> bool:
        try:
            self._backlog.write(self._sink, self.step)
        except LearnrateError as error:
            self._warn(f"{error} Training goes on; its points are kept and written later.")
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, the training goes on
            self._warn(f"the store {self.place} fails ({type(error).__name__}: {error}).")
            return False
        return True

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            _say(message)

    def _complain(self, message: str) -> None:
        if not self._complained:
            self._complained = True
            _say(message)


def _nothing() -> tuple[()]:
    return ()


def _say(message: str) -> None:
    """Warn; where warnings are errors, say it all the same."""
    try:
        warnings.warn(f"learnrate: {message}", RuntimeWarning, stacklevel=2)
    except RuntimeWarning:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"learnrate: {message}\n")
