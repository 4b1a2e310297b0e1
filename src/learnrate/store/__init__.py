"""The store: runs with their points, findings and edits, in SQLite or PostgreSQL."""

from learnrate.store._alerts import (
    AlertTargets,
    StoredFinding,
    add_sent_alerts,
    alert_targets,
    sent_alerts,
    unsent_findings,
)
from learnrate.store._documents import StoredDocument
from learnrate.store._export import csv_listing, write_listing, write_table
from learnrate.store._group_rates import with_group_rates
from learnrate.store._index import RunIndex
from learnrate.store._labels import LabelChange, change_labels, purge_runs
from learnrate.store._listing import (
    FIELDS,
    ListedRun,
    RunGroup,
    check_field,
    differing_facts,
    facts_of,
    grouped,
    listed,
    value_text,
)
from learnrate.store._merge import merge
from learnrate.store._place import is_store, store_exists, url_of
from learnrate.store._recorder import Recorder
from learnrate.store._records import (
    LOST_AFTER,
    Attempt,
    EditStatus,
    Lifecycle,
    RecordedPoints,
    RunStatus,
    Snapshot,
    StoredEdit,
    StoredRun,
)
from learnrate.store._sink import Sink
from learnrate.store._store import Store

__all__ = [
    "FIELDS",
    "LOST_AFTER",
    "AlertTargets",
    "Attempt",
    "EditStatus",
    "LabelChange",
    "Lifecycle",
    "ListedRun",
    "RecordedPoints",
    "Recorder",
    "RunGroup",
    "RunIndex",
    "RunStatus",
    "Sink",
    "Snapshot",
    "Store",
    "StoredDocument",
    "StoredEdit",
    "StoredFinding",
    "StoredRun",
    "add_sent_alerts",
    "alert_targets",
    "change_labels",
    "check_field",
    "csv_listing",
    "differing_facts",
    "facts_of",
    "grouped",
    "is_store",
    "listed",
    "merge",
    "purge_runs",
    "sent_alerts",
    "store_exists",
    "unsent_findings",
    "url_of",
    "value_text",
    "with_group_rates",
    "write_listing",
    "write_table",
]
