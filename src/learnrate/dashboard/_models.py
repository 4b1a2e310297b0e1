"""What the API sends and takes, as types: its OpenAPI document follows from them."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from learnrate.store import EditStatus, RunStatus, StoredEdit, StoredRun
from learnrate.watch import Severity

__all__ = [
    "Ahead",
    "AttemptShown",
    "Change",
    "Column",
    "Curve",
    "Curves",
    "EditRequest",
    "EditShown",
    "FindingShown",
    "PlanShown",
    "Problem",
    "ReplayShown",
    "RunDetail",
    "RunList",
    "RunSummary",
    "SnapshotShown",
    "TableShown",
]


class Change(StrEnum):
    """What a page can ask for: the edits of `steer.Kind`."""

    SCALE = "scale"
    SET = "set"
    HOLD = "hold"
    RELEASE = "release"
    DECAY = "decay"
    STRETCH = "stretch"
    FOLLOW = "follow"
    ROLLBACK = "rollback"
    SNAPSHOT = "snapshot"
    PROBE = "probe"
    STOP = "stop"


class Column(StrEnum):
    """A quantity that is drawn."""

    LR = "lr"
    LOSS = "loss"
    VALIDATION = "validation"
    GRADIENT_NORM = "gradient_norm"
    UPDATE_RATIO = "update_ratio"
    CLIPPED = "clipped"
    SECONDS = "seconds"


class Problem(BaseModel):
    """Why a request was refused."""

    error: str


class RunSummary(BaseModel):
    """A run in one line; as `learnrate runs --json`, with times."""

    run: str
    name: str
    status: RunStatus
    step: int
    total_steps: int | None
    lr: float | None
    loss: float | None
    started: float = Field(description="seconds since 1970")
    updated: float = Field(description="seconds since 1970")

    @classmethod
    def of(cls, run: StoredRun) -> Self:
        """What a stored run looks like."""
        return cls(
            run=run.id,
            name=run.name,
            status=run.status,
            step=run.step,
            total_steps=run.total_steps,
            lr=run.lr,
            loss=run.loss,
            started=run.started,
            updated=run.updated,
        )


class RunList(BaseModel):
    """Runs, the newest first."""

    runs: list[RunSummary]
    found: int = Field(description="how many match, of which these are some")


class FindingShown(BaseModel):
    """A worded verdict on a run."""

    code: str
    severity: Severity
    step: int | None
    message: str
    evidence: dict[str, JsonValue]
    remedy: str


class EditShown(BaseModel):
    """A change that was asked for, and what became of it."""

    sequence: int
    kind: str
    value: JsonValue
    group: int | None
    author: str
    time: float
    reason: str
    status: EditStatus
    step: int | None
    answer: str

    @classmethod
    def of(cls, edit: StoredEdit) -> Self:
        """What a stored edit looks like."""
        return cls(**{name: getattr(edit, name) for name in cls.model_fields})


class AttemptShown(BaseModel):
    """A stretch of a run: the first one, and one for each resume and rollback."""

    attempt: int
    begins: int
    time: float
    reason: str


class SnapshotShown(BaseModel):
    """A step that a run can be rolled back to."""

    step: int
    time: float


class RunDetail(BaseModel):
    """All there is to say of a run beside its points."""

    run: RunSummary
    schedule: str | None
    limits: dict[str, JsonValue]
    facts: dict[str, JsonValue]
    host: str
    pid: int
    findings: list[FindingShown]
    edits: list[EditShown]
    attempts: list[AttemptShown]
    snapshots: list[SnapshotShown]


class Curve(BaseModel):
    """One quantity against the step; what is not a finite number is left out."""

    step: list[int]
    value: list[float]


class Curves(BaseModel):
    """Curves of a run, thinned so that they look the same on a screen.

    `loss_mean` is the mean of the losses over short stretches, where there are many.
    """

    run: str
    rows: int = Field(description="how many rows there are in this range")
    first: int | None = Field(description="the first step recorded")
    last: int | None = Field(description="the last step recorded")
    curves: dict[str, Curve]
    not_finite: list[int] = Field(
        description="steps whose loss was not a finite number; the first 100"
    )


class TableShown(BaseModel):
    """Some rows of a run, evenly spaced: what a picture shows, in figures."""

    columns: list[str]
    rows: list[list[float | None]]


class EditRequest(BaseModel):
    """A change to ask a run for."""

    model_config = ConfigDict(extra="forbid")

    kind: Change
    value: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="scale: a factor; set: a rate; decay: its length in steps; "
        "stretch: a total; rollback: a step",
    )
    shape: str | None = Field(
        default=None, max_length=500, description="of a decay: its text, 1 to its floor"
    )
    schedule: str | None = Field(
        default=None, max_length=10_000, description="follow: the text of another schedule"
    )
    group: int | None = Field(default=None, ge=0, le=10_000, description="of parameters; else all")
    reason: str = Field(default="", max_length=2000)
    author: str = Field(default="", max_length=100, description="else who started the dashboard")


class Ahead(BaseModel):
    """The rates that are to come, as things stand and with an edit that is being prepared."""

    step: list[int]
    before: list[float]
    after_step: list[int] = Field(description="as the edit may change the length of the run")
    after: list[float] | None
    refused: str | None = Field(description="why the edit cannot be made, if so")
    text: str | None = Field(description="the schedule with the edit, if it has a text")


class ReplayShown(BaseModel):
    """A run as it was steered: what repeats it."""

    run: str
    total_steps: int = Field(description="updates of the run as it stands")
    schedule: str = Field(description="the schedule with its edits, as one text")
    edits: list[str] = Field(description="all that took effect, in order, in words")
    command: str = Field(description="what repeats it in a shell, with the task in place of TASK")


class PlanShown(BaseModel):
    """A file of a plan or a range test."""

    key: str
    file: str
    kind: str = Field(description="plan, range test, or unreadable")
    title: str
    summary: str
