"""The pages: the server fills in templates, and scripts fill in what changes."""

from __future__ import annotations

import shlex
import time
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from learnrate._errors import ArgumentError
from learnrate._numbers import rate_text
from learnrate._version import __version__
from learnrate.dashboard._list import PageQuery, listed_runs
from learnrate.dashboard._plotly import PLOTLY, script
from learnrate.dashboard._state import state_of
from learnrate.report import DARK, LIGHT, variables
from learnrate.store import (
    Lifecycle,
    ListedRun,
    RunStatus,
    alert_targets,
    differing_facts,
    value_text,
)

__all__ = ["error_page", "pages"]

_RUNS_PER_PAGE = 200
_MOST_COMPARED = 8
_CACHE_LONG = {"cache-control": "private, max-age=31536000, immutable"}
_REVALIDATE = {"cache-control": "private, no-cache"}

pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("learnrate.dashboard"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "rate": lambda lr: "" if lr is None else rate_text(lr),
        "loss": lambda loss: "" if loss is None else f"{loss:.4g}",
        "count": lambda number: "" if number is None else f"{number:,}",
        "value": value_text,
        "when": _when,
    }
    environment.globals |= {"version": __version__, "plotly": PLOTLY}
    return environment


_TEMPLATES = _environment()


def _page(request: Request, name: str, **values: Any) -> HTMLResponse:
    state = state_of(request)
    shared = {
        "place": state.store.place,
        "read_only": state.access.read_only,
        "author": state.author,
        "plans": state.folder.exists,
    }
    return HTMLResponse(_TEMPLATES.get_template(name).render(**shared, **values))


def error_page(request: Request, status: int, message: str) -> HTMLResponse:
    """A page with an error message.

    Args:
        request: the request that failed.
        status: the HTTP status.
        message: the message for the user.
    """
    response = _page(request, "error.html", message=message)
    response.status_code = status
    return response


@pages.get("/")
def runs_page(request: Request, query: Annotated[PageQuery, Query()]) -> HTMLResponse:
    """The first page: runs that match the query, newest first, in pages."""
    return _page(
        request,
        "runs.html",
        runs=listed_runs(request, query, _RUNS_PER_PAGE),
        statuses=list(RunStatus),
        lifecycles=[*Lifecycle, "all"],
        **_alerts(request),
    )


@pages.get("/run/{run}")
def run_page(request: Request, run: str) -> HTMLResponse:
    """The page of one run: its curves, findings, edits and controls."""
    try:
        stored_run = state_of(request).store.run(run)
    except ArgumentError as error:
        return error_page(request, 404, str(error))
    return _page(request, "run.html", run=stored_run, **_alerts(request))


def _alerts(request: Request) -> dict[str, Any]:
    """The targets of alerts, and the store as it is typed after `--store`."""
    store = state_of(request).store
    return {"alerts": alert_targets(store), "alert_store": shlex.quote(store.place)}


@pages.get("/compare")
def compare_page(
    request: Request, run: Annotated[list[str] | None, Query()] = None
) -> HTMLResponse:
    """Several runs in the same plots."""
    store = state_of(request).store
    try:
        chosen = [store.run(name) for name in dict.fromkeys(run or [])]
    except ArgumentError as error:
        return error_page(request, 404, str(error))
    if not 2 <= len(chosen) <= _MOST_COMPARED:
        message = f"Choose 2 to {_MOST_COMPARED} runs to compare; got {len(chosen)}."
        return error_page(request, 422, message)
    compared = [ListedRun(run=stored_run) for stored_run in chosen]
    differences = differing_facts(compared)
    return _page(
        request, "compare.html", runs=chosen, listed_runs=compared, differences=differences
    )


@pages.get("/plans")
def plans_page(request: Request) -> HTMLResponse:
    """The plans and range tests of the folder."""
    documents = state_of(request).folder.documents()
    return _page(request, "plans.html", summaries=[document.summary for document in documents])


@pages.get("/plans/{key}")
def plan_page(request: Request, key: str) -> HTMLResponse:
    """One plan or range test, as in its report."""
    document = state_of(request).folder.document(key)
    if document is None:
        return error_page(request, 404, "This plan or range test is no longer in the folder.")
    summary = document.summary
    if summary.kind == "unreadable":
        return error_page(request, 422, summary.summary)
    # Made by `report`, which escapes all texts of the user.
    return _page(request, "plan.html", summary=summary, body=Markup(document.body))  # noqa: S704


# Scripts and styles


@pages.get("/static/plotly.js")
def plotly_script() -> FileResponse:
    """plotly.js of the installed plotly package; nothing is loaded from another server."""
    return FileResponse(script(), media_type="text/javascript", headers=_CACHE_LONG)


@pages.get("/static/theme.css")
def theme() -> Response:
    """The report's colours and style, by the system's preference or as chosen on the page."""
    light, dark = variables(LIGHT), variables(DARK)
    colours = f"""
:root {{ color-scheme: light; {light} }}
@media (prefers-color-scheme: dark) {{ :root {{ color-scheme: dark; {dark} }} }}
:root[data-theme="light"] {{ color-scheme: light; {light} }}
:root[data-theme="dark"] {{ color-scheme: dark; {dark} }}
@media print {{ :root {{ color-scheme: light; {light} }} }}
"""
    shared = files("learnrate.report").joinpath("page.css").read_text(encoding="utf-8")
    return Response(colours + shared, media_type="text/css", headers=_REVALIDATE)
