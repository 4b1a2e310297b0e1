"""The store: runs, points, findings and edits, remembered in SQLite or PostgreSQL."""

from learnrate.store._export import write_table
from learnrate.store._is_store import is_store
from learnrate.store._place import there, url_of
from learnrate.store._recorder import Recorder
from learnrate.store._records import (
    LOST_AFTER,
    Attempt,
    EditStatus,
    Points,
    RunStatus,
    Snapshot,
    StoredEdit,
    StoredRun,
)
from learnrate.store._store import Store

__all__ = [
    "LOST_AFTER",
    "Attempt",
    "EditStatus",
    "Points",
    "Recorder",
    "RunStatus",
    "Snapshot",
    "Store",
    "StoredEdit",
    "StoredRun",
    "is_store",
    "there",
    "url_of",
    "write_table",
]
