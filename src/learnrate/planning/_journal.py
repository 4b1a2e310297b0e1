"""What was measured, on disk as soon as it is known, so that a killed plan goes on."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.task import Task

__all__ = ["Journal", "fingerprint"]


class Journal:
    """Records by key, one JSON line each, appended and flushed to disk at once.

    A line cut off by a kill is ignored. Without a path nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._records = {} if path is None else _read(path)

    def get(self, key: str) -> dict[str, Any] | None:
        """The record under `key`, if it was measured before."""
        return self._records.get(key)

    def add(self, key: str, record: dict[str, Any]) -> None:
        """Keep a record.

        Raises:
            FileError: it cannot be written.
        """
        self._records[key] = record
        if self._path is None:
            return
        line = json.dumps({"key": key, **record}, allow_nan=False) + "\n"
        try:
            with self._path.open("ab") as file:
                # A line that a kill cut off has no end; ours starts on a line of its own.
                ends_whole = file.tell() == 0 or _last_byte(self._path) == b"\n"
                file.write((line if ends_whole else "\n" + line).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise FileError(f"{self._path} cannot be written: {error.strerror}.") from error


def fingerprint(task: Task) -> str:
    """What tells one task from another: its modules, optimizer, first loss and options."""
    with preserved(task):
        training = Training(task, seed=0)
        first_loss = float(training.loss().detach())
    described = (
        repr(training.model),
        repr(training.optimizer),
        f"{first_loss:.5g}",
        f"{task.clip_norm} {task.accumulate} {task.amp}",
    )
    return hashlib.sha256("\n".join(described).encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    records = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from error
    for line in lines:
        try:
            record = json.loads(line)
            records[record.pop("key")] = record
        except (ValueError, KeyError, AttributeError, TypeError):
            continue
    return records


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
