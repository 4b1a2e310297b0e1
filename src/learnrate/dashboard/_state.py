"""What the dashboard holds while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from learnrate.dashboard._live import Stop

if TYPE_CHECKING:
    from learnrate.dashboard._access import Access
    from learnrate.dashboard._curves import PointsKept
    from learnrate.dashboard._folder import Folder
    from learnrate.store import Store

__all__ = ["Held"]


@dataclass(frozen=True, kw_only=True)
class Held:
    """What pages and API share.

    Attributes:
        store: what is shown.
        points: of the runs looked at last.
        folder: of plans and range tests.
        access: who may do what.
        author: of edits whose author does not say so.
        stop: that the server ends.
    """

    store: Store
    points: PointsKept
    folder: Folder
    access: Access
    author: str
    stop: Stop = field(default_factory=Stop)
