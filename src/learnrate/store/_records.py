"""The records of a store: runs, attempts, points, edits and snapshots."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Mapping  # noqa: TC003 - cattrs reads the annotations
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from learnrate._records import to_dict
from learnrate.edits import words_of
from learnrate.schedules import from_json

if TYPE_CHECKING:
    import numpy as np

    from learnrate.schedules import Schedule

__all__ = [
    "LOST_AFTER",
    "Attempt",
    "EditStatus",
    "Lifecycle",
    "RecordedPoints",
    "RunStatus",
    "Snapshot",
    "StoredEdit",
    "StoredRun",
    "is_alive",
    "new_id",
]

LOST_AFTER = 60.0
"""Seconds without a write after which a running run counts as lost."""

_CONSONANTS, _VOWELS = "bdfghklmnprstvz", "aeiou"


class RunStatus(StrEnum):
    """The state of a run: running, or how it ended."""

    RUNNING = "running"
    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


class Lifecycle(StrEnum):
    """Where a run is listed: among the active runs, the archived ones, or the deleted ones."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    DELETED = "deleted"


class EditStatus(StrEnum):
    """The state of an edit: pending, or how the run answered it."""

    PENDING = "pending"
    APPLIED = "applied"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run, without its points.

    Attributes:
        id: its short, readable, unique name in the store.
        name: the name that its owner gave it; need not be unique.
        status: `lost` means that the run was running and no longer writes: its process
            does not exist any more, or it has not written for `LOST_AFTER` seconds.
        started: time of its start, in seconds since 1970.
        updated: time of its last write, in seconds since 1970.
        step: the update about to happen at the last write, so the number of updates made.
        total_steps: planned updates of the whole run, or None if unknown.
        lr: the rate of the last recorded update, or None.
        loss: the last recorded loss; None if there is none or it is not finite.
        schedule_json: the schedule of the rate, as `Schedule.to_json` writes it, or None.
        limits: the limits of edits, as JSON values by name.
        facts: other JSON values by name.
        host: the machine it runs on.
        pid: the process on that machine.
        validation: the last recorded validation loss, or None.
        lowest_loss: the lowest recorded loss, or None.
        lowest_validation: the lowest recorded validation loss, or None.
        lifecycle: where it is listed. A deleted run can be restored until it is purged.
        pinned: whether it is listed first.
        tags: words of its owner, in order, each once.
        note: text of its owner.
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
    validation: float | None = None
    lowest_loss: float | None = None
    lowest_validation: float | None = None
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    pinned: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""

    @property
    def schedule(self) -> Schedule | None:
        """The schedule of the rate, or None if none is stored."""
        return None if self.schedule_json is None else from_json(self.schedule_json)

    @property
    def live(self) -> bool:
        """Whether the run is still running, as far as the store can tell."""
        return self.status is RunStatus.RUNNING

    def to_dict(self) -> dict[str, Any]:
        """The run as `learnrate runs --json` prints it."""
        omit = ("id", "schedule_json", "limits", "facts", "host", "pid")
        return {"run": self.id, **to_dict(self, omit=omit)}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A part of a run: its start, or what followed a resume or a rollback.

    It supersedes what earlier attempts recorded from its first step on.

    Attributes:
        attempt: 0, 1, ... within the run.
        begins: its first step.
        time: the time when it began, in seconds since 1970.
        reason: why it began.
    """

    attempt: int
    begins: int
    time: float
    reason: str


@dataclass(frozen=True, eq=False, kw_only=True)
class RecordedPoints:
    """The recorded rows of a run.

    Attributes:
        step: the step of each row, strictly increasing.
        columns: the values of each row by name: those of `watch.COLUMNS`, and `lr[0]`, `lr[1]`,
            ... for the rates of parameter groups that do not keep their ratio. nan if missing.
        attempt: the number of the attempt that recorded each row.
    """

    step: np.ndarray
    columns: Mapping[str, np.ndarray]
    attempt: np.ndarray


@dataclass(frozen=True, kw_only=True)
class StoredEdit:
    """A requested change of a run, and the run's answer.

    Attributes:
        run: the run's id.
        sequence: 1, 2, ... within the run, in the order of the requests.
        kind: the kind of change, as of `edits.EditKind`.
        value: the value of the change, a JSON value.
        group: the parameter group to change; None for all.
        author: who requested it.
        time: the time when it was requested, in seconds since 1970.
        reason: why it was requested.
        status: pending, applied or refused.
        step: the update at which it took effect, once applied.
        answer: the run's answer in words.
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
        """The edit as it is typed after `learnrate steer RUN`."""
        return words_of(self.kind, self.value)

    def to_dict(self) -> dict[str, Any]:
        """The edit as `learnrate runs RUN --json` prints it."""
        return to_dict(self, omit=("run", "sequence", "position"))


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A saved state of a run.

    Attributes:
        run: the run's id.
        step: the update before which the state was saved.
        place: the file it was saved to.
        time: the time when it was saved, in seconds since 1970.
    """

    run: str
    step: int
    place: str
    time: float


def new_id() -> str:
    """Five random syllables that can be pronounced, such as `kobu-zarite`, of 2 billion."""
    syllables = ["".join(map(secrets.choice, (_CONSONANTS, _VOWELS))) for _ in range(5)]
    return f"{''.join(syllables[:2])}-{''.join(syllables[2:])}"


def is_alive(host: str, pid: int, updated: float) -> bool:
    """Whether a run that was running still is.

    Args:
        host: the machine it runs on; only on this machine is its process looked up.
        pid: its process.
        updated: time of its last write, in seconds since 1970.
    """
    if host == socket.gethostname() and not _process_exists(pid):
        return False
    return time.time() - updated <= LOST_AFTER


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True
