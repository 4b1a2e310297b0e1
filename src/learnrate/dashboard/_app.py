"""The application: the guard, the API, the pages, and one form for every error."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from learnrate._errors import LearnrateError, StoreError
from learnrate._version import __version__
from learnrate.dashboard._api import api
from learnrate.dashboard._curves import PointsKept
from learnrate.dashboard._folder import Folder
from learnrate.dashboard._guard import Guard, error_body
from learnrate.dashboard._pages import error_page, pages
from learnrate.dashboard._plotly import style_hashes
from learnrate.dashboard._state import Held

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.responses import Response

    from learnrate.dashboard._access import Access
    from learnrate.store import Store

__all__ = ["make_app"]


class _Static(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Ask again each time, so that an upgrade is seen; unchanged files cost a 304."""
        found = super().file_response(*args, **kwargs)
        found.headers["cache-control"] = "private, no-cache"
        return found


def make_app(store: Store, access: Access, *, author: str, plans: Path | None = None) -> FastAPI:
    """The dashboard as an ASGI application.

    Args:
        store: what it shows.
        access: who may do what.
        author: of edits whose author does not say so.
        plans: a folder of plans and range tests.

    Raises:
        FileError: that folder is not there.
    """
    app = FastAPI(
        title="learnrate dashboard",
        version=__version__,
        description="Runs, their curves, findings and edits; and edits to ask running ones for.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.held = Held(
        store=store,
        points=PointsKept(store),
        folder=Folder(plans),
        access=access,
        author=author,
    )
    app.include_router(api)
    app.include_router(pages)
    static = str(files("learnrate.dashboard").joinpath("static"))
    app.mount("/static", _Static(directory=static), name="static")
    app.add_middleware(Guard, access=access, styles=style_hashes())
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(LearnrateError, _failed)
    return app


def _answer(asked: Request, status: int, words: str, headers: Any = None) -> Response:
    if asked.url.path.startswith(("/api", "/openapi")):
        return JSONResponse(error_body(words), status, headers=headers)
    return error_page(asked, status, words)


def _refused(asked: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    words = f"There is no {asked.url.path} here." if error.detail == "Not Found" else error.detail
    return _answer(asked, error.status_code, words, error.headers)


def _invalid(asked: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    found = [
        f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()
    ]
    return _answer(asked, 422, "; ".join(found))


def _failed(asked: Request, error: Exception) -> Response:
    return _answer(asked, 503 if isinstance(error, StoreError) else 409, str(error))
