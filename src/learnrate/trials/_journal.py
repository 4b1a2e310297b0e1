"""What was measured, on disk as soon as it is known, so that a killed job goes on."""

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
from learnrate._ranks import is_first_rank
from learnrate.trials._distributed import ranks
from learnrate.trials._training import check_task
from learnrate.trials._trial import Curve, Status, Trial

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.task import Task

__all__ = ["Journal", "fingerprint"]


class Journal:
    """Records of one task by what was measured, its length and its seed; one JSON line each.

    Each is appended in one write and flushed to disk at once, so several processes may keep theirs
    in one file, and each sees what the others have finished. A line cut off by a kill is ignored.

    Args:
        path: the file; without one nothing outlives the process.
        identity: of the task, its `fingerprint`; records of other tasks are not seen.
    """

    def __init__(self, path: Path | None, identity: str) -> None:
        self._path = path
        self._identity = identity
        self._records: dict[str, dict[str, Any]] = {}
        self._read_to = 0
        self._refresh()

    def get(self, what: str, length: int, seed: int) -> dict[str, Any] | None:
        """The record of a measurement, if it was made before; the first rank's on every rank."""
        key = self._key(what, length, seed)
        if key not in self._records:
            self._refresh()
        return ranks().agreed(self._records.get(key))

    def add(self, what: str, length: int, seed: int, record: dict[str, Any]) -> None:
        """Keep the record of a measurement.

        Raises:
            FileError: it cannot be written.
        """
        key = self._key(what, length, seed)
        self._records[key] = record
        if self._path is not None and is_first_rank():
            _append(self._path, json.dumps({"key": key, **record}, allow_nan=False))

    def curve(self, trial: Trial) -> Curve | None:
        """The whole curve of a trial that was run before, if it finished or diverged."""
        record = self.get(str(trial.schedule), trial.total_steps, trial.seed)
        return None if record is None else _unpacked(record, trial)

    def keep(self, trial: Trial, curve: Curve) -> None:
        """Keep a trial that finished or diverged; one that failed or was interrupted runs again.

        Raises:
            FileError: it cannot be written.
        """
        if curve.status in {Status.FINISHED, Status.DIVERGED}:
            self.add(str(trial.schedule), trial.total_steps, trial.seed, _packed(curve))

    def _key(self, what: str, length: int, seed: int) -> str:
        described = f"{self._identity}|{what}|{length}|{seed}"
        return hashlib.sha256(described.encode()).hexdigest()[:24]

    def _refresh(self) -> None:
        """Read what was appended since the last time, by whomever."""
        if self._path is None or not self._path.exists():
            return
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_to)
                added = file.read()
        except OSError as error:
            raise FileError(f"{self._path} cannot be read: {error.strerror}.") from error
        whole = added.rfind(b"\n") + 1
        self._read_to += whole
        for line in added[:whole].decode(errors="replace").splitlines():
            self._take(line)

    def _take(self, line: str) -> None:
        try:
            record = json.loads(line)
            key = record.pop("key")
        except (ValueError, KeyError, AttributeError, TypeError):
            return
        self._records[key] = record


def fingerprint(task: Task) -> str:
    """What tells one task from another: its modules, optimizer, first loss and options.

    Raises:
        TaskError: the task cannot be trained; see `check_task`.
    """
    training, first_loss = check_task(task)
    described = [
        repr(training.model),
        repr(training.optimizer),
        f"{first_loss:.5g}",
        f"{task.clip_norm} {task.accumulate} {task.amp}",
    ]
    if training.ranks.size > 1:  # another batch, so another task
        described.append(f"{training.ranks.size} ranks")
    return hashlib.sha256("\n".join(described).encode()).hexdigest()[:16]


def _append(path: Path, text: str) -> None:
    try:
        with path.open("ab", buffering=0) as file:
            # A line that a kill cut off has no end; ours starts on a line of its own.
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


def _packed(curve: Curve) -> dict[str, Any]:
    with np.errstate(over="ignore"):  # what overflows is seen below to need double precision
        single = curve.loss.astype("<f4")
    lossless = np.array_equal(single, curve.loss, equal_nan=True)
    stored = single if lossless else curve.loss.astype("<f8")
    return {
        "status": str(curve.status),
        "validation": _written(curve.validation),
        "seconds": round(curve.seconds, 3),
        "type": stored.dtype.str,
        "curve": base64.b64encode(zlib.compress(stored.tobytes())).decode(),
    }


def _unpacked(record: dict[str, Any], trial: Trial) -> Curve | None:
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
        )
    except (KeyError, ValueError, TypeError, zlib.error):
        return None


def _written(value: float | None) -> float | str | None:
    """JSON has no infinities and no NaN; they are kept as words that `float` reads."""
    return value if value is None or math.isfinite(value) else str(value)
