"""The pages: templates filled in on the server; scripts fill in what changes."""

from __future__ import annotations

import time
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from learnrate._errors import ArgumentError
from learnrate._numbers import rate_text
from learnrate._version import __version__
from learnrate.dashboard._api import matching
from learnrate.dashboard._plotly import PLOTLY, script
from learnrate.report import DARK, LIGHT, variables
from learnrate.store import RunStatus

if TYPE_CHECKING:
    from learnrate.dashboard._state import Held

__all__ = ["error_page", "pages"]

_LISTED = 200
_COMPARED = 8
_FOR_GOOD = {"cache-control": "private, max-age=31536000, immutable"}
_ASK_AGAIN = {"cache-control": "private, no-cache"}

pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("learnrate.dashboard"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "rate": lambda lr: "" if lr is None else rate_text(lr),
        "loss": lambda loss: "" if loss is None else f"{loss:.4g}",
        "count": lambda number: "" if number is None else f"{number:,}",
        "when": _when,
    }
    made.globals |= {"version": __version__, "plotly": PLOTLY}
    return made


_TEMPLATES = _environment()


def _held(asked: Request) -> Held:
    held: Held = asked.app.state.held
    return held


def _page(asked: Request, name: str, **values: Any) -> HTMLResponse:
    held = _held(asked)
    about = {
        "place": held.store.place,
        "read_only": held.access.read_only,
        "author": held.author,
        "plans": held.folder.given,
    }
    return HTMLResponse(_TEMPLATES.get_template(name).render(**about, **values))


def error_page(asked: Request, status: int, words: str) -> HTMLResponse:
    """A page that says what is wrong."""
    found = _page(asked, "error.html", words=words)
    found.status_code = status
    return found


@pages.get("/")
def runs_page(
    asked: Request,
    search: Annotated[str, Query(max_length=200)] = "",
    status: str = "",
    first: Annotated[int, Query(ge=0)] = 0,
) -> HTMLResponse:
    """The list of runs."""
    known = [str(one) for one in RunStatus]
    if status not in {"", *known}:
        raise HTTPException(422, f"a status is one of {', '.join(known)}; got {status!r}.")
    everything = _held(asked).store.runs()
    found = matching(everything, search, RunStatus(status) if status else None)
    shown = found[first : first + _LISTED]
    more = {"search": search, "status": status, "first": first + _LISTED}
    return _page(
        asked,
        "runs.html",
        runs=shown,
        found=len(found),
        everything=len(everything),
        search=search,
        status=status,
        statuses=known,
        older=urlencode(more) if first + _LISTED < len(found) else "",
    )


@pages.get("/run/{run}")
def run_page(asked: Request, run: str) -> HTMLResponse:
    """One run."""
    try:
        about = _held(asked).store.run(run)
    except ArgumentError as error:
        return error_page(asked, 404, str(error))
    return _page(asked, "run.html", run=about)


@pages.get("/compare")
def compare_page(asked: Request, run: Annotated[list[str] | None, Query()] = None) -> HTMLResponse:
    """Several runs beside each other."""
    store = _held(asked).store
    try:
        chosen = [store.run(one) for one in dict.fromkeys(run or [])]
    except ArgumentError as error:
        return error_page(asked, 404, str(error))
    if not 2 <= len(chosen) <= _COMPARED:
        words = f"Choose 2 to {_COMPARED} runs to compare; these are {len(chosen)}."
        return error_page(asked, 422, words)
    return _page(asked, "compare.html", runs=chosen)


@pages.get("/plans")
def plans_page(asked: Request) -> HTMLResponse:
    """The plans and range tests of the folder."""
    shown = [one.shown for one in _held(asked).folder.documents()]
    return _page(asked, "plans.html", documents=shown)


@pages.get("/plans/{key}")
def plan_page(asked: Request, key: str) -> HTMLResponse:
    """One plan or range test: the same as its report."""
    found = _held(asked).folder.document(key)
    if found is None:
        return error_page(asked, 404, "This plan or range test is not in the folder any more.")
    if found.shown.kind == "unreadable":
        return error_page(asked, 422, found.shown.summary)
    # Made by `report`, which escapes every text of the user's.
    return _page(asked, "plan.html", shown=found.shown, body=Markup(found.body))  # noqa: S704


# What pages are made of


@pages.get("/static/plotly.js")
def plotly_script() -> FileResponse:
    """plotly.js as the installed plotly package brings it: nothing comes from elsewhere."""
    return FileResponse(script(), media_type="text/javascript", headers=_FOR_GOOD)


@pages.get("/static/theme.css")
def theme() -> Response:
    """The report's colours and style: by the system's preference, or as chosen on the page."""
    light, dark = variables(LIGHT), variables(DARK)
    colours = f"""
:root {{ color-scheme: light; {light} }}
@media (prefers-color-scheme: dark) {{ :root {{ color-scheme: dark; {dark} }} }}
:root[data-theme="light"] {{ color-scheme: light; {light} }}
:root[data-theme="dark"] {{ color-scheme: dark; {dark} }}
@media print {{ :root {{ color-scheme: light; {light} }} }}
"""
    shared = files("learnrate.report").joinpath("page.css").read_text(encoding="utf-8")
    return Response(colours + shared, media_type="text/css", headers=_ASK_AGAIN)
