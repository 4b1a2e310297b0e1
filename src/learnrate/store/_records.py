"""What a store holds, as plain records."""

from __future__ import annotations

import os
import secrets
import socket
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from learnrate._files import number_or_none
from learnrate.edits import words_of
from learnrate.schedules import from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from learnrate.schedules import Schedule

__all__ = [
    "LOST_AFTER",
    "Attempt",
    "EditStatus",
    "Points",
    "RunStatus",
    "Snapshot",
    "StoredEdit",
    "StoredRun",
    "new_id",
    "seen_alive",
]

LOST_AFTER = 60.0
"""Seconds without a sign of life after which a running run counts as lost."""

_CONSONANTS, _VOWELS = "bdfghklmnprstvz", "aeiou"


class RunStatus(StrEnum):
    """How a run is, or how it ended."""

    RUNNING = "running"
    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


class EditStatus(StrEnum):
    """What became of an edit."""

    PENDING = "pending"
    APPLIED = "applied"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run, without its points.

    Attributes:
        id: what it is called in the store: short, readable, unique.
        name: what its owner calls it; need not be unique.
        status: `lost` is a run that said it was running and gives no sign of life: its process
            is gone, or it has not written for `LOST_AFTER` seconds.
        started: when, in seconds since 1970.
        updated: when it last wrote.
        step: the update about to happen when it last wrote: as many were made.
        total_steps: the updates of the whole run as planned, if known.
        lr: the rate of the last update recorded, if any.
        loss: the last loss recorded; None where there is none or it is not a number.
        schedule_json: what the rate follows, if stored, as `Schedule.to_json` wrote it.
        limits: what edits may not exceed, as JSON values by name.
        facts: further JSON values by name.
        host: the machine it runs on.
        pid: its process there.
    """

    id: str
    name: str
    status: RunStatus
    started: float
    updated: float
    step: int
    total_steps: int | None
    lr: float | None
    loss: float | None
    schedule_json: str | None
    limits: Mapping[str, Any]
    facts: Mapping[str, Any]
    host: str
    pid: int

    @property
    def schedule(self) -> Schedule | None:
        """What the rate follows, if stored."""
        return None if self.schedule_json is None else from_json(self.schedule_json)

    @property
    def live(self) -> bool:
        """Whether it is running."""
        return self.status is RunStatus.RUNNING

    def to_dict(self) -> dict[str, Any]:
        """What `learnrate runs --json` prints of it."""
        return {
            "run": self.id,
            "name": self.name,
            "status": str(self.status),
            "step": self.step,
            "total_steps": self.total_steps,
            "lr": number_or_none(self.lr),
            "loss": number_or_none(self.loss),
            "started": self.started,
            "updated": self.updated,
        }


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One stretch of a run: the first, or what followed a resume or a rollback.

    From the step where it begins it stands in place of what earlier attempts recorded.
    """

    attempt: int
    begins: int
    time: float
    reason: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Points:
    """The rows of a run: steps strictly increasing, columns by name, the attempt of each row.

    Beside those of `watch.COLUMNS` there may be `lr[0]`, `lr[1]`, ...: the rates of parameter
    groups that do not keep their ratio.
    """

    step: np.ndarray
    columns: Mapping[str, np.ndarray]
    attempt: np.ndarray


@dataclass(frozen=True, kw_only=True)
class StoredEdit:
    """A change that someone asked a run for, and what became of it.

    Attributes:
        run: the run's id.
        sequence: 1, 2, ... within the run, in the order they were asked for.
        kind: what is to change.
        value: by how much, a JSON value.
        group: the parameter group it is for; None for all.
        author: who asked.
        time: when, in seconds since 1970.
        reason: why.
        status: pending, applied or refused.
        step: the update it took effect at, once applied.
        answer: what the run had to say to it.
        position: 1, 2, ... in the order in which the run's edits took effect, once applied.
    """

    run: str
    sequence: int
    kind: str
    value: Any
    group: int | None
    author: str
    time: float
    reason: str
    status: EditStatus
    step: int | None
    answer: str
    position: int | None = None

    @property
    def words(self) -> str:
        """What was asked for, as `learnrate steer` takes it."""
        return words_of(self.kind, self.value)

    def to_dict(self) -> dict[str, Any]:
        """What `learnrate runs RUN --json` prints of it."""
        names = ("kind", "value", "group", "author", "time", "reason", "status", "step", "answer")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Where the state of a run before an update is kept."""

    run: str
    step: int
    place: str
    time: float


def new_id() -> str:
    """Five syllables, such as `kobu-zarite`: 2 in a billion, and one can say them aloud."""
    drawn = ["".join(map(secrets.choice, (_CONSONANTS, _VOWELS))) for _ in range(5)]
    return f"{''.join(drawn[:2])}-{''.join(drawn[2:])}"


def seen_alive(host: str, pid: int, updated: float) -> bool:
    """Whether a running run gives a sign of life."""
    if host == socket.gethostname() and not _process_there(pid):
        return False
    return time.time() - updated <= LOST_AFTER


def _process_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
