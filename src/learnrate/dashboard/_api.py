"""The API: JSON by HTTP, typed, described by its own OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Path, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from learnrate._errors import ArgumentError
from learnrate.dashboard._control import ahead, request
from learnrate.dashboard._curves import curves, table
from learnrate.dashboard._live import changes, list_state, run_state
from learnrate.dashboard._models import (
    Ahead,
    AttemptShown,
    Change,
    Column,
    Curves,
    EditRequest,
    EditShown,
    FindingShown,
    PlanShown,
    Problem,
    ReplayShown,
    RunDetail,
    RunList,
    RunSummary,
    SnapshotShown,
    TableShown,
)
from learnrate.steering import replayed
from learnrate.store import RunStatus

if TYPE_CHECKING:
    from learnrate.dashboard._state import Held
    from learnrate.store import StoredRun

__all__ = ["api", "matching"]

_REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": words}
    for code, words in {
        400: "The request cannot be read.",
        401: "Neither token nor cookie.",
        403: "A foreign name or site, or the dashboard is read-only.",
        404: "There is no such run.",
        409: "It cannot be done: the run has ended, or its limits forbid it.",
        413: "The request is too long, or does not say how long it is.",
        422: "A value outside its rule.",
        503: "The store cannot be reached.",
    }.items()
}
_LARGEST_STEP = 2**53 - 1  # what JavaScript counts without error

api = APIRouter(prefix="/api", responses=_REFUSALS)

RunName = Annotated[
    str,
    Path(
        description="a run's id, the beginning of one, or last", min_length=1, pattern="^[a-z-]+$"
    ),
]
Most = Annotated[int, Query(ge=50, le=5000, description="points of a curve, about")]
Step = Annotated[int | None, Query(ge=0, le=_LARGEST_STEP)]


def _held(asked: Request) -> Held:
    held: Held = asked.app.state.held
    return held


def _run(held: Held, name: str) -> StoredRun:
    try:
        return held.store.run(name)
    except ArgumentError as error:
        raise HTTPException(404, str(error)) from error


def matching(runs: list[StoredRun], search: str, status: RunStatus | None) -> list[StoredRun]:
    """The runs whose name or id has every word of a search, and that are so."""
    words = search.lower().split()
    return [
        run
        for run in runs
        if (status is None or run.status is status)
        and all(word in f"{run.id} {run.name}".lower() for word in words)
    ]


@api.get("/runs")
def list_runs(
    asked: Request,
    search: Annotated[str, Query(max_length=200, description="words of the name or id")] = "",
    status: RunStatus | None = None,
    first: Annotated[int, Query(ge=0, le=10**9, description="how many to leave out")] = 0,
    most: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> RunList:
    """The runs of the store, the newest first."""
    found = matching(_held(asked).store.runs(), search, status)
    shown = found[first : first + most]
    return RunList(runs=[RunSummary.of(run) for run in shown], found=len(found))


@api.get("/runs/{run}")
def show_run(asked: Request, run: RunName) -> RunDetail:
    """A run: its schedule, facts, findings, edits, attempts and snapshots."""
    held = _held(asked)
    return detail(held, _run(held, run))


def detail(held: Held, about: StoredRun) -> RunDetail:
    """All there is to say of a run beside its points."""
    store, run = held.store, about.id
    return RunDetail(
        run=RunSummary.of(about),
        schedule=None if about.schedule is None else str(about.schedule),
        limits=dict(about.limits),
        facts=dict(about.facts),
        host=about.host,
        pid=about.pid,
        findings=[FindingShown(**finding.to_dict()) for finding in store.findings(run)],
        edits=[EditShown.of(edit) for edit in store.edits(run)],
        attempts=[
            AttemptShown(attempt=one.attempt, begins=one.begins, time=one.time, reason=one.reason)
            for one in store.attempts(run)
        ],
        snapshots=[SnapshotShown(step=one.step, time=one.time) for one in store.snapshots(run)],
    )


@api.get("/runs/{run}/curves")
def show_curves(
    asked: Request,
    *,
    run: RunName,
    column: Annotated[list[Column], Query(min_length=1, max_length=len(Column))],
    points: Most = 1000,
    first: Step = None,
    last: Step = None,
) -> Curves:
    """Curves of a run between two steps, thinned for a screen."""
    held = _held(asked)
    about = _run(held, run)
    kept = held.points.of(about)
    return curves(about.id, kept, column, most=points, first=first, last=last)


@api.get("/runs/{run}/table")
def show_table(
    asked: Request,
    run: RunName,
    rows: Annotated[int, Query(ge=2, le=1000)] = 25,
    first: Step = None,
    last: Step = None,
) -> TableShown:
    """Evenly spaced rows of a run: what the pictures show, in figures."""
    held = _held(asked)
    kept = held.points.of(_run(held, run))
    return table(kept, rows=rows, first=first, last=last)


@api.get("/runs/{run}/ahead")
def show_ahead(
    asked: Request,
    *,
    run: RunName,
    kind: Change | None = None,
    value: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    shape: Annotated[str | None, Query(max_length=500)] = None,
    schedule: Annotated[str | None, Query(max_length=10_000)] = None,
    group: Annotated[int | None, Query(ge=0, le=10_000)] = None,
    points: Most = 500,
) -> Ahead:
    """The rates to come, as things stand and with an edit that is being prepared."""
    held = _held(asked)
    about = _run(held, run)
    edit = None
    if kind is not None:
        edit = EditRequest(kind=kind, value=value, shape=shape, schedule=schedule, group=group)
    return ahead(held.store, about, edit, held.author, points)


@api.get("/runs/{run}/replay")
def show_replay(asked: Request, run: RunName) -> ReplayShown:
    """A run as it was steered, and how to repeat it."""
    held = _held(asked)
    about = _run(held, run)
    try:
        found = replayed(held.store, about.id)
    except ArgumentError as error:
        raise HTTPException(409, str(error)) from error
    return ReplayShown(
        run=found.run,
        total_steps=found.total_steps,
        schedule=str(found.schedule),
        edits=[str(edit) for edit in found.edits],
        command=f"learnrate train TASK --replay {found.run}",
    )


@api.post("/runs/{run}/edits", status_code=201)
def add_edit(asked: Request, run: RunName, edit: Annotated[EditRequest, Body()]) -> EditShown:
    """Ask a running run for a change; the run answers it with the step it takes effect at."""
    held = _held(asked)
    about = _run(held, run)
    try:
        return EditShown.of(request(held.store, about.id, edit, held.author))
    except ArgumentError as error:
        raise HTTPException(409, str(error)) from error


@api.get("/runs/{run}/events", response_class=EventSourceResponse)
async def run_events(asked: Request, run: RunName) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `state` when something of the run changed, `trouble`, `alive`."""
    held = _held(asked)
    async for event in changes(lambda: run_state(held.store, held.store.resolve(run)), held.stop):
        yield event


@api.get("/events", response_class=EventSourceResponse)
async def list_events(asked: Request) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `state` when the list of runs changed, `trouble`, `alive`."""
    held = _held(asked)
    async for event in changes(lambda: list_state(held.store), held.stop):
        yield event


@api.get("/plans")
def list_plans(asked: Request) -> list[PlanShown]:
    """The plans and range tests of the folder that was given."""
    return [one.shown for one in _held(asked).folder.documents()]


@api.get("/plans/{key}/figures")
def show_figures(
    asked: Request, key: Annotated[str, Path(pattern="^[0-9a-f]{12}$")]
) -> dict[str, dict[str, Any]]:
    """The figures of a plan or range test, as plotly describes them; `@name` is a colour's name."""
    found = _held(asked).folder.document(key)
    if found is None:
        raise HTTPException(404, "this plan or range test is not in the folder any more.")
    return found.figures
