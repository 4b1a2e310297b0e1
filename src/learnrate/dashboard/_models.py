"""The types of the API's requests and responses, which its OpenAPI document is made from."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from learnrate.edits import EditKind
from learnrate.store import EditStatus, Lifecycle, RunStatus, StoredEdit, StoredRun
from learnrate.watch import Severity

__all__ = [
    "AttemptResponse",
    "ColumnName",
    "CurveResponse",
    "CurvesResponse",
    "EditRequest",
    "EditResponse",
    "ErrorResponse",
    "FindingResponse",
    "Labels",
    "LabelsRequest",
    "LabelsResponse",
    "ListedRunResponse",
    "PlanResponse",
    "PreviewResponse",
    "PurgeRequest",
    "ReplayResponse",
    "RunDetail",
    "RunList",
    "RunSummary",
    "SnapshotResponse",
    "TableResponse",
]


ColumnName = Annotated[str, Field(pattern=r"^[a-z_]+[a-z0-9_]*(\[[0-9]{1,4}\])?$", max_length=100)]
"""A recorded quantity, such as `loss`, `gradient_norm`, or `lr[0]` for the rate of a group."""


class ErrorResponse(BaseModel):
    """The reason why a request was refused."""

    error: str


class RunSummary(BaseModel):
    """A run in one line, as `learnrate runs --json` prints it."""

    run: str
    name: str
    status: RunStatus
    step: int
    total_steps: int | None
    lr: float | None
    loss: float | None
    lowest_loss: float | None
    validation: float | None
    lowest_validation: float | None
    lifecycle: Lifecycle
    pinned: bool
    tags: list[str]
    note: str
    started: float = Field(description="seconds since 1970")
    updated: float = Field(description="seconds since 1970")

    @classmethod
    def of(cls, run: StoredRun) -> Self:
        """The summary of a stored run."""
        return cls(**run.to_dict())


class ListedRunResponse(RunSummary):
    """A run in one line, with what a list can show, group and sort by."""

    schedule: str | None
    finding_codes: list[str]
    facts: dict[str, JsonValue] = Field(description="short facts only; the run's own page has all")


class RunList(BaseModel):
    """Runs in the order of the list."""

    runs: list[ListedRunResponse]
    matches: int = Field(description="number of runs that match; `runs` may be a part of them")


class FindingResponse(BaseModel):
    """A problem of a run, with the evidence and a remedy."""

    code: str
    severity: Severity
    step: int | None
    message: str
    evidence: dict[str, JsonValue]
    remedy: str


class EditResponse(BaseModel):
    """A requested change of a run, and the run's answer."""

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
        """The response for a stored edit."""
        return cls(**{name: getattr(edit, name) for name in cls.model_fields})


class AttemptResponse(BaseModel):
    """A part of a run: its start, or what followed a resume or a rollback."""

    attempt: int
    begins: int
    time: float
    reason: str


class SnapshotResponse(BaseModel):
    """A saved state that the run can be rolled back to."""

    step: int
    time: float


class RunDetail(BaseModel):
    """Everything that is stored of a run except its points."""

    run: RunSummary
    schedule: str | None
    limits: dict[str, JsonValue]
    facts: dict[str, JsonValue]
    host: str
    pid: int
    findings: list[FindingResponse]
    edits: list[EditResponse]
    attempts: list[AttemptResponse]
    snapshots: list[SnapshotResponse]


class CurveResponse(BaseModel):
    """One quantity by step; values that are not finite are left out."""

    step: list[int]
    value: list[float]


class CurvesResponse(BaseModel):
    """Curves of a run, downsampled so that they look the same on a screen.

    `loss_mean` is the mean of the losses over short ranges of steps; it is there if the run has
    more losses than points, or if a smoothing was requested.
    """

    run: str
    rows: int = Field(description="number of recorded rows in this range")
    first: int | None = Field(description="the first recorded step of the run")
    last: int | None = Field(description="the last recorded step of the run")
    curves: dict[str, CurveResponse]
    columns: list[str] = Field(description="all recorded quantities, and rates of groups")
    axes: list[str] = Field(description="what the horizontal axis can show")
    axis: CurveResponse = Field(
        description="the value of the axis at some steps; it is linear between them"
    )
    not_finite: list[int] = Field(
        description="steps whose loss was not a finite number; the first 100"
    )


class TableResponse(BaseModel):
    """Evenly spaced rows of a run: the curves as a table."""

    columns: list[str]
    rows: list[list[float | None]]


class Labels(BaseModel):
    """New labels of a run; a label that is null or missing stays as it is."""

    model_config = ConfigDict(extra="forbid")

    run: str = Field(max_length=100)
    name: str | None = Field(default=None, max_length=200)
    lifecycle: Lifecycle | None = None
    pinned: bool | None = None
    tags: list[str] | None = Field(default=None, max_length=100)
    note: str | None = Field(default=None, max_length=10_000)


class LabelsRequest(BaseModel):
    """Changes of labels, which are all made or none."""

    model_config = ConfigDict(extra="forbid")

    changes: list[Labels] = Field(min_length=1, max_length=1000)


class LabelsResponse(BaseModel):
    """The changes that undo a request."""

    undo: list[Labels]


class PurgeRequest(BaseModel):
    """Deleted runs to remove for good."""

    model_config = ConfigDict(extra="forbid")

    runs: list[str] = Field(min_length=1, max_length=1000)


class EditRequest(BaseModel):
    """A change of a run to request."""

    model_config = ConfigDict(extra="forbid")

    kind: EditKind
    value: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="scale: a factor; set: a rate; decay: its length in steps; "
        "stretch: the total number of steps; rollback: a step",
    )
    shape: str | None = Field(
        default=None, max_length=500, description="decay: the text of a shape that falls from 1"
    )
    schedule: str | None = Field(
        default=None, max_length=10_000, description="follow: the text of the new schedule"
    )
    group: int | None = Field(
        default=None, ge=0, le=10_000, description="a parameter group; all groups by default"
    )
    reason: str = Field(default="", max_length=2000)
    author: str = Field(
        default="", max_length=100, description="by default the user who started the dashboard"
    )


class PreviewResponse(BaseModel):
    """The rates from the run's step to its end, without and with an edit."""

    step: list[int]
    before: list[float]
    after_step: list[int] = Field(
        description="steps of `after`: the edit may change the length of the run"
    )
    after: list[float] | None
    refused: str | None = Field(description="why the edit is not possible, or null")
    text: str | None = Field(description="the schedule with the edit, or null")


class ReplayResponse(BaseModel):
    """The schedule of a run with its edits, and the command that repeats the run."""

    run: str
    total_steps: int = Field(description="updates of the whole run, with its edits")
    schedule: str = Field(description="the schedule with its edits, as one text")
    groups: list[str | None] = Field(
        description="for each parameter group, its planned schedule, or null; empty if none has one"
    )
    edits: list[str] = Field(description="the edits that took effect, in order, in words")
    command: str = Field(
        description="the shell command that repeats the run; replace TASK by its task"
    )


class PlanResponse(BaseModel):
    """A file with a plan or a range test."""

    key: str
    file: str
    kind: str = Field(description="plan, range test, or unreadable")
    title: str
    summary: str
