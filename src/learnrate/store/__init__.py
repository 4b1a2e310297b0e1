"""The store: runs with their points, findings and edits, in SQLite or PostgreSQL."""

from learnrate.store._export import write_table
from learnrate.store._group_rates import with_group_rates
from learnrate.store._place import is_store, store_exists, url_of
from learnrate.store._recorder import Recorder
from learnrate.store._records import (
    LOST_AFTER,
    Attempt,
    EditStatus,
    RecordedPoints,
    RunStatus,
    Snapshot,
    StoredEdit,
    StoredRun,
)
from learnrate.store._sink import Sink
from learnrate.store._store import Store

__all__ = [
    "LOST_AFTER",
    "Attempt",
    "EditStatus",
    "RecordedPoints",
    "Recorder",
    "RunStatus",
    "Sink",
    "Snapshot",
    "Store",
    "StoredEdit",
    "StoredRun",
    "is_store",
    "store_exists",
    "url_of",
    "with_group_rates",
    "write_table",
]
