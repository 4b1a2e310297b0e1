"""Measurements on disk as soon as they are made, so that a killed job can be resumed."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import FileError
from learnrate._files import check_readable
from learnrate._ranks import is_first_rank
from learnrate.trials._distributed import ranks
from learnrate.trials._task_check import check_task
from learnrate.trials._trial import Curve, Status, Trial

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.task import Task

__all__ = ["Journal", "fingerprint"]


class Journal:
    """Records of measurements of one task; one JSON line each.

    Each record is appended in one write and flushed to disk at once. So several processes may share
    a file, and each sees what the others have finished. A line cut off by a kill is ignored.

    Args:
        path: the file; None keeps the records in this process only.
        identity: the task's `fingerprint`; records of other tasks are ignored.
    """

    def __init__(self, path: Path | None, identity: str) -> None:
        self._path = path
        self._identity = identity
        self._records: dict[str, dict[str, Any]] = {}
        self._read_to = 0
        self._refresh()

    def get(self, measurement: str, length: int, seed: int) -> dict[str, Any] | None:
        """The record of a measurement; None if it was not made before.

        Several ranks all get the first rank's record.

        Args:
            measurement: what was measured, such as the text of a schedule.
            length: of the measurement, in updates.
            seed: of the measurement.
        """
        key = self._key(measurement, length, seed)
        if key not in self._records:
            self._refresh()
        return ranks().from_first(self._records.get(key))

    def add(self, measurement: str, length: int, seed: int, record: dict[str, Any]) -> None:
        """Add the record of a measurement.

        Args:
            measurement: what was measured, such as the text of a schedule.
            length: of the measurement, in updates.
            seed: of the measurement.
            record: JSON values, without numbers that are not finite.

        Raises:
            FileError: the file cannot be written.
        """
        key = self._key(measurement, length, seed)
        self._records[key] = record
        if self._path is not None and is_first_rank():
            _append(self._path, json.dumps({"key": key, **record}, allow_nan=False))

    def curve(self, trial: Trial, detail: str = "") -> Curve | None:
        """The curve of a trial that finished or diverged before; None if there is none.

        `detail` is what tells it from other trials of its schedule, such as the rates of groups.
        """
        record = self.get(_measurement(trial, detail), trial.total_steps, trial.seed)
        return None if record is None else _curve_from(record, trial)

    def add_curve(self, trial: Trial, curve: Curve, detail: str = "") -> None:
        """Add a trial that finished or diverged; one that failed or was interrupted runs again.

        Args:
            trial: that was run.
            curve: of it.
            detail: as for `curve`.

        Raises:
            FileError: the file cannot be written.
        """
        if curve.status in {Status.FINISHED, Status.DIVERGED}:
            measurement = _measurement(trial, detail)
            self.add(measurement, trial.total_steps, trial.seed, _record_of(curve))

    def _key(self, measurement: str, length: int, seed: int) -> str:
        described = f"{self._identity}|{measurement}|{length}|{seed}"
        return hashlib.sha256(described.encode()).hexdigest()[:24]

    def _refresh(self) -> None:
        """Read what this process and others have appended since the last time."""
        if self._path is None:
            return
        check_readable(self._path)
        try:
            if not self._path.exists():
                return
            with self._path.open("rb") as file:
                file.seek(self._read_to)
                added = file.read()
        except OSError as error:
            raise FileError(f"{self._path} cannot be read: {error.strerror}.") from error
        whole = added.rfind(b"\n") + 1
        self._read_to += whole
        for line in added[:whole].decode(errors="replace").splitlines():
            self._read_line(line)

    def _read_line(self, line: str) -> None:
        try:
            record = json.loads(line)
            key = record.pop("key")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            return
        self._records[key] = record


def fingerprint(task: Task) -> str:
    """A hash that identifies a task: of its modules, optimizer, first loss and options.

    Raises:
        TaskError: the task cannot be trained; see `check_task`.
    """
    training, first_loss = check_task(task)
    described = [
        repr(training.model),
        *map(repr, training.optimizers),
        f"{first_loss:.5g}",
        f"{task.clip_norm} {task.accumulate} {task.amp}",
    ]
    if training.ranks.size > 1:  # they train on larger batches, so it is another task
        described.append(f"{training.ranks.size} ranks")
    return hashlib.sha256("\n".join(described).encode()).hexdigest()[:16]


def _measurement(trial: Trial, detail: str) -> str:
    """The identity of a trial's measurement; without a detail, its schedule alone."""
    return f"{trial.schedule} {detail}" if detail else str(trial.schedule)


def _append(path: Path, text: str) -> None:
    try:
        with path.open("ab", buffering=0) as file:
            # A line that was cut off by a kill has no end; the new one starts on its own line.
            ends_whole = file.tell() == 0 or _last_byte(path) == b"\n"
            line = f"{text}\n" if ends_whole else f"\n{text}\n"
            file.write(line.encode())
            os.fsync(file.fileno())
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}.") from error


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def _record_of(curve: Curve) -> dict[str, Any]:
    with np.errstate(over="ignore"):  # what overflows is stored in double precision
        single = curve.loss.astype("<f4")
    lossless = np.array_equal(single, curve.loss, equal_nan=True)
    stored = single if lossless else curve.loss.astype("<f8")
    return {
        "status": str(curve.status),
        "validation": _json_number(curve.validation),
        "seconds": curve.seconds,
        "passes": curve.passes,
        "distance": curve.distance,
        "type": stored.dtype.str,
        "curve": base64.b64encode(zlib.compress(stored.tobytes())).decode(),
    }


def _curve_from(record: dict[str, Any], trial: Trial) -> Curve | None:
    try:
        content = zlib.decompress(base64.b64decode(record["curve"]))
        loss = np.frombuffer(content, dtype=record["type"]).astype(float)
        validation = record["validation"]
        return Curve(
            lr=trial.schedule.table()[: len(loss)],
            loss=loss,
            validation=None if validation is None else float(validation),
            status=Status(record["status"]),
            seconds=float(record["seconds"]),
            passes=record.get("passes"),
            distance=record.get("distance"),
        )
    except (KeyError, ValueError, TypeError, zlib.error):
        return None


def _json_number(number: float | None) -> float | str | None:
    """JSON has no infinities and no NaN; they become words that `float` reads."""
    return number if number is None or math.isfinite(number) else str(number)
