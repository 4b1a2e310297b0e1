"""The state that the dashboard's pages and its API share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import Request

    from learnrate.dashboard._access import Access
    from learnrate.dashboard._curves import PointsCache
    from learnrate.dashboard._folder import Folder
    from learnrate.store import RunIndex, Store

__all__ = ["DashboardState", "Shutdown", "state_of"]


class Shutdown:
    """Tells the event streams of open pages that the server ends."""

    requested = False


@dataclass(frozen=True, kw_only=True)
class DashboardState:
    """The state of a running dashboard.

    Attributes:
        store: the store that is shown.
        index: the runs of the store as a list shows them.
        points: the points of the runs that were shown last.
        folder: the folder of plans and range tests.
        access: what a request must show.
        author: the author of edits that do not name one.
        shutdown: whether the server ends.
    """

    store: Store
    index: RunIndex
    points: PointsCache
    folder: Folder
    access: Access
    author: str
    shutdown: Shutdown = field(default_factory=Shutdown)


def state_of(request: Request) -> DashboardState:
    """The state of the dashboard that a request reached."""
    state: DashboardState = request.app.state.dashboard
    return state
