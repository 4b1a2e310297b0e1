"""The API: typed JSON over HTTP, described by its own OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Path, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field

from learnrate._errors import ArgumentError
from learnrate.dashboard._axis import HorizontalAxis
from learnrate.dashboard._control import preview_rates, request_edit
from learnrate.dashboard._curves import curves, table
from learnrate.dashboard._list import ListQuery, chosen_runs
from learnrate.dashboard._live import LIST_TOPIC, State, changes, list_state, run_state
from learnrate.dashboard._models import (
    AttemptResponse,
    ColumnName,
    CurvesResponse,
    EditRequest,
    EditResponse,
    ErrorResponse,
    FindingResponse,
    Labels,
    LabelsRequest,
    LabelsResponse,
    ListedRunResponse,
    PlanResponse,
    PreviewResponse,
    PurgeRequest,
    ReplayResponse,
    RunDetail,
    RunList,
    RunSummary,
    SnapshotResponse,
    TableResponse,
)
from learnrate.dashboard._state import DashboardState, state_of
from learnrate.edits import EditKind
from learnrate.steering import replayed
from learnrate.store import LabelChange, change_labels, csv_listing, purge_runs

if TYPE_CHECKING:
    from learnrate.store import StoredRun

__all__ = ["api"]

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": description}
    for status, description in {
        400: "The request cannot be read.",
        401: "The request has neither the token nor the cookie.",
        403: "The request names another host or comes from another site, or the dashboard is read-only.",
        404: "There is no such run.",
        409: "The change is not possible: the run has ended, or its limits forbid it.",
        413: "The request is too long, or has no Content-Length header.",
        422: "A value is not allowed.",
        503: "The store cannot be reached.",
    }.items()
}
_LARGEST_STEP = 2**53 - 1  # the largest exact integer of JavaScript

api = APIRouter(prefix="/api", responses=_REFUSALS)

RunName = Annotated[
    str,
    Path(
        description="a run's id, the beginning of one, or last", min_length=1, pattern="^[a-z-]+$"
    ),
]
MaxPoints = Annotated[int, Query(ge=50, le=5000, description="points of each curve, about")]
Topic = Annotated[str, Field(min_length=1, max_length=100, pattern="^[a-z-]+$")]
Step = Annotated[int | None, Query(ge=0, le=_LARGEST_STEP)]


def _run(state: DashboardState, name: str) -> StoredRun:
    try:
        return state.store.run(name)
    except ArgumentError as error:
        raise HTTPException(404, str(error)) from error


@api.get("/runs")
def list_runs(
    request: Request,
    query: Annotated[ListQuery, Query()],
    limit: Annotated[int, Query(ge=1, le=1000, description="the most runs to return")] = 1000,
) -> RunList:
    """The runs of the store, the newest first by default; pinned ones before the others.

    Args:
        request: the HTTP request.
        query: which runs, in which order.
        limit: the most runs to return, from 1 to 1000.
    """
    matches = query.chosen_from(state_of(request).index.runs())
    part = matches[query.first : query.first + limit]
    runs = [ListedRunResponse(**listed_run.to_dict()) for listed_run in part]
    return RunList(runs=runs, matches=len(matches))


@api.get(
    "/export",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}, "application/json": {}}}},
)
def export_runs(
    request: Request,
    query: Annotated[ListQuery, Query()],
    run: Annotated[list[str] | None, Query(max_length=1000)] = None,
    as_json: Annotated[bool, Query(alias="json", description="JSON instead of CSV")] = False,
) -> Response:
    """The named runs, or all runs that match, as a file with all fields and facts.

    Args:
        request: the HTTP request.
        query: which runs, in which order.
        run: ids of runs, at most 1000; the query is not used then.
        as_json: whether the file is JSON.
    """
    runs = chosen_runs(request, query, run)
    headers = {"content-disposition": f"attachment; filename=runs.{'json' if as_json else 'csv'}"}
    if as_json:
        document = json.dumps([listed_run.to_dict() for listed_run in runs])
        return Response(document, media_type="application/json", headers=headers)
    return Response(csv_listing(runs), media_type="text/csv", headers=headers)


@api.post("/labels")
def set_labels(request: Request, labels: Annotated[LabelsRequest, Body()]) -> LabelsResponse:
    """Change names, tags, notes and so on of runs; the response undoes it if it is sent back.

    Raises:
        HTTPException: 409 if a run does not exist or a label is not allowed.
    """
    try:
        changes = [
            LabelChange(
                **{
                    **labels_of_run.model_dump(),
                    "tags": None if labels_of_run.tags is None else tuple(labels_of_run.tags),
                }
            )
            for labels_of_run in labels.changes
        ]
        undo = change_labels(state_of(request).store, changes)
    except ArgumentError as error:
        raise HTTPException(409, str(error)) from error
    return LabelsResponse(undo=[Labels(run=change.run, **change.labels) for change in undo])


@api.post("/purge", status_code=204)
def purge(request: Request, runs: Annotated[PurgeRequest, Body()]) -> None:
    """Remove deleted runs for good, with their points, findings and edits.

    Raises:
        HTTPException: 409 if a run was not deleted before.
    """
    try:
        purge_runs(state_of(request).store, runs.runs)
    except ArgumentError as error:
        raise HTTPException(409, str(error)) from error


@api.get("/runs/{run}")
def show_run(request: Request, run: RunName) -> RunDetail:
    """A run: its schedule, facts, findings, edits, attempts and snapshots."""
    state = state_of(request)
    stored_run, store = _run(state, run), state.store
    return RunDetail(
        run=RunSummary.of(stored_run),
        schedule=None if stored_run.schedule is None else str(stored_run.schedule),
        limits=dict(stored_run.limits),
        facts=dict(stored_run.facts),
        host=stored_run.host,
        pid=stored_run.pid,
        findings=[
            FindingResponse(**finding.to_dict()) for finding in store.findings(stored_run.id)
        ],
        edits=[EditResponse.of(edit) for edit in store.edits(stored_run.id)],
        attempts=[AttemptResponse(**asdict(attempt)) for attempt in store.attempts(stored_run.id)],
        snapshots=[
            SnapshotResponse(step=snapshot.step, time=snapshot.time)
            for snapshot in store.snapshots(stored_run.id)
        ],
    )


@api.get("/runs/{run}/curves")
def show_curves(
    request: Request,
    *,
    run: RunName,
    column: Annotated[list[ColumnName], Query(min_length=1, max_length=100)],
    points: MaxPoints = 1000,
    first: Step = None,
    last: Step = None,
    smooth: Annotated[int, Query(ge=0, le=10**9)] = 0,
    axis: HorizontalAxis = HorizontalAxis.STEP,
) -> CurvesResponse:
    """Curves of a run between two steps, downsampled for a screen.

    Args:
        request: the HTTP request.
        run: a run's id, the beginning of one, or "last".
        column: the quantities to draw, at least one.
        points: about how many points each curve has, from 50 to 5000.
        first: the first step, from 0 to 2**53 - 1; None for the first recorded one.
        last: the last step, from 0 to 2**53 - 1; None for the last recorded one.
        smooth: rows of the moving mean of the loss, up to 10**9; 0 for one that suits the screen.
        axis: what the horizontal axis shows.
    """
    state = state_of(request)
    stored_run = _run(state, run)
    return curves(
        stored_run,
        state.points.points_of(stored_run),
        column,
        max_points=points,
        first=first,
        last=last,
        smooth=smooth,
        axis=axis,
    )


@api.get("/runs/{run}/table")
def show_table(
    request: Request,
    run: RunName,
    rows: Annotated[int, Query(ge=2, le=1000)] = 25,
    first: Step = None,
    last: Step = None,
) -> TableResponse:
    """Evenly spaced rows of a run: the curves as a table.

    Args:
        request: the HTTP request.
        run: a run's id, the beginning of one, or "last".
        rows: the most rows to return, from 2 to 1000.
        first: the first step, from 0 to 2**53 - 1; None for the first recorded one.
        last: the last step, from 0 to 2**53 - 1; None for the last recorded one.
    """
    state = state_of(request)
    recorded = state.points.points_of(_run(state, run))
    return table(recorded, rows=rows, first=first, last=last)


@api.get("/runs/{run}/preview")
def show_preview(
    request: Request,
    *,
    run: RunName,
    kind: EditKind | None = None,
    value: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    shape: Annotated[str | None, Query(max_length=500)] = None,
    schedule: Annotated[str | None, Query(max_length=10_000)] = None,
    group: Annotated[int | None, Query(ge=0, le=10_000)] = None,
    points: MaxPoints = 500,
) -> PreviewResponse:
    """The rates from the run's step to its end, without and with an edit.

    Args:
        request: the HTTP request.
        run: a run's id, the beginning of one, or "last".
        kind: the kind of the edit; None for the rates without an edit.
        value: the number that the edit needs, such as a factor, a rate or a number of steps.
        shape: the text of the decay's shape, at most 500 characters.
        schedule: the text of the new schedule, at most 10,000 characters.
        group: the index of a parameter group, from 0 to 10,000; None for all groups.
        points: the most rates of each curve, from 50 to 5000.
    """
    state = state_of(request)
    stored_run = _run(state, run)
    edit = None
    if kind is not None:
        edit = EditRequest(kind=kind, value=value, shape=shape, schedule=schedule, group=group)
    return preview_rates(state.store, stored_run, edit, state.author, points)


@api.get("/runs/{run}/replay")
def show_replay(request: Request, run: RunName) -> ReplayResponse:
    """The schedule of a run with its edits, and the command that repeats the run.

    Raises:
        HTTPException: 409 if the run cannot be repeated; the message says why.
    """
    state = state_of(request)
    stored_run = _run(state, run)
    try:
        replay = replayed(state.store, stored_run.id)
    except ArgumentError as error:
        raise HTTPException(409, str(error)) from error
    return ReplayResponse(
        run=replay.run,
        total_steps=replay.total_steps,
        schedule=str(replay.schedule),
        groups=[None if rates is None else str(rates) for rates in replay.groups],
        edits=[str(edit) for edit in replay.edits],
        command=f"learnrate train TASK --replay {replay.run}",
    )


@api.post("/runs/{run}/edits", status_code=201)
def add_edit(request: Request, run: RunName, edit: Annotated[EditRequest, Body()]) -> EditResponse:
    """Request a change of a running run, which answers with the step of the change.

    Args:
        request: the HTTP request.
        run: a run's id, the beginning of one, or "last".
        edit: the change to request.

    Raises:
        HTTPException: 409 if the run has ended or does not allow the change.
    """
    state = state_of(request)
    stored_run = _run(state, run)
    try:
        return EditResponse.of(request_edit(state.store, stored_run.id, edit, state.author))
    except ArgumentError as error:
        raise HTTPException(409, str(error)) from error


@api.get("/runs/{run}/events", response_class=EventSourceResponse)
async def run_events(request: Request, run: RunName) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `state` when the run has changed, `trouble`, `alive`."""
    state = state_of(request)
    async for event in changes(_readers(state, [run]), state.shutdown):
        yield event


@api.get("/events", response_class=EventSourceResponse)
async def all_events(
    request: Request,
    topic: Annotated[
        list[Topic] | None,
        Query(max_length=100, description=f"{LIST_TOPIC} for the list, or ids of runs"),
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `state` when the list or a run has changed, `trouble`, `alive`.

    Args:
        request: the HTTP request.
        topic: what to follow, at most 100; by default the list of runs.
    """
    state = state_of(request)
    async for event in changes(_readers(state, topic or [LIST_TOPIC]), state.shutdown):
        yield event


def _readers(state: DashboardState, topics: Iterable[str]) -> dict[str, Callable[[], State]]:
    store = state.store
    return {
        topic: partial(list_state, store)
        if topic == LIST_TOPIC
        else partial(run_state, store, topic)
        for topic in topics
    }


@api.get("/plans")
def list_plans(request: Request) -> list[PlanResponse]:
    """The plans and range tests of the dashboard's folder."""
    return [document.summary for document in state_of(request).folder.documents()]


@api.get("/plans/{key}/figures")
def show_figures(
    request: Request, key: Annotated[str, Path(pattern="^[0-9a-f]{12}$")]
) -> dict[str, dict[str, Any]]:
    """The figures of a plan or range test in plotly's form; `@name` stands for a colour.

    Raises:
        HTTPException: 404 if the folder no longer has the plan or range test.
    """
    document = state_of(request).folder.document(key)
    if document is None:
        raise HTTPException(404, "this plan or range test is no longer in the folder.")
    return document.figures
