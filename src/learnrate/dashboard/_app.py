"""The application: request guard, API, pages, and a common form of errors."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import Match

from learnrate._errors import LearnrateError, StoreError
from learnrate._version import __version__
from learnrate.dashboard._api import api
from learnrate.dashboard._curves import PointsCache
from learnrate.dashboard._folder import Folder
from learnrate.dashboard._pages import error_page, pages
from learnrate.dashboard._plotly import style_hashes
from learnrate.dashboard._request_guard import RequestGuard, error_body
from learnrate.dashboard._state import DashboardState
from learnrate.store import RunIndex

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.responses import Response
    from starlette.types import Scope

    from learnrate.dashboard._access import Access
    from learnrate.store import Store

__all__ = ["make_app"]


class _Static(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Make browsers check each time for a newer file; the answer for unchanged files is a 304."""
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "private, no-cache"
        return response


def make_app(store: Store, access: Access, *, author: str, plans: Path | None = None) -> FastAPI:
    """The dashboard as an ASGI application.

    Args:
        store: the store to show.
        access: what a request must show.
        author: the author of edits that do not name one.
        plans: a folder of plans and range tests.

    Raises:
        FileError: the folder does not exist.
    """
    app = FastAPI(
        title="learnrate dashboard",
        version=__version__,
        description="Runs with their curves, findings and edits; and edits of running ones.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.dashboard = DashboardState(
        store=store,
        index=RunIndex(store),
        points=PointsCache(store),
        folder=Folder(plans),
        access=access,
        author=author,
    )
    app.include_router(api)
    app.include_router(pages)
    static = str(files("learnrate.dashboard").joinpath("static"))
    app.mount("/static", _Static(directory=static), name="static")

    def is_page(scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in app.routes)

    app.add_middleware(RequestGuard, access=access, is_page=is_page, styles=style_hashes())
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(LearnrateError, _learnrate_error)
    return app


def _error(request: Request, status: int, message: str, headers: Any = None) -> Response:
    if request.url.path.startswith(("/api", "/openapi")):
        return JSONResponse(error_body(message), status, headers=headers)
    return error_page(request, status, message)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    missing = f"There is no page {request.url.path}."
    message = missing if error.detail == "Not Found" else error.detail
    return _error(request, error.status_code, message, error.headers)


def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    problems = [
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
    ]
    return _error(request, 422, "; ".join(problems))


def _learnrate_error(request: Request, error: Exception) -> Response:
    return _error(request, 503 if isinstance(error, StoreError) else 409, str(error))
