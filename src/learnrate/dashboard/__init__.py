"""Dashboard: shows a store in the browser, and requests edits of its running runs.

It needs the extra `dashboard`. Its names are loaded when they are used.
"""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING

from learnrate._errors import needing

if TYPE_CHECKING:
    from learnrate.dashboard._access import Access, access_for
    from learnrate.dashboard._app import make_app
    from learnrate.dashboard._serve import serve

__all__ = ["Access", "access_for", "make_app", "serve"]

_HOMES = {"Access": "_access", "access_for": "_access", "make_app": "_app", "serve": "_serve"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'learnrate.dashboard' has no attribute {name!r}")
    with ExitStack() as stack:
        for package in ("fastapi", "uvicorn", "jinja2", "tsdownsample"):
            stack.enter_context(needing(package, "dashboard", "the dashboard"))
        return getattr(import_module(f"learnrate.dashboard.{_HOMES[name]}"), name)
