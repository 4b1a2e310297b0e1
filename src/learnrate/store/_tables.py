"""The tables of a store, as they are now: a new store is made from these definitions.

`_migrations` brings stores of older versions to the same form.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
)

__all__ = [
    "alerts",
    "attempts",
    "documents",
    "edits",
    "findings",
    "points",
    "runs",
    "schema",
    "snapshots",
    "version",
]

schema = MetaData()
"""Times are seconds since 1970 and JSON is text, so that both databases hold the same values."""

version = Table("learnrate", schema, Column("version", BigInteger, nullable=False))
"""One row: the version of the tables."""

runs = Table(
    "runs",
    schema,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("total_steps", BigInteger),
    Column("lr", Double),
    Column("loss", Double),
    Column("schedule", Text),
    Column("limits", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("validation", Double),
    Column("lowest_loss", Double),
    Column("lowest_validation", Double),
    # Labels. They have defaults, since older versions add runs without them.
    Column("lifecycle", Text, nullable=False, server_default="active"),
    Column("pinned", Boolean, nullable=False, server_default=false()),
    Column("tags", Text, nullable=False, server_default="[]"),
    Column("note", Text, nullable=False, server_default=""),
    Index("runs_by_start", "started"),
)

attempts = Table(
    "attempts",
    schema,
    Column("run", Text, primary_key=True),
    Column("attempt", BigInteger, primary_key=True),
    Column("begins", BigInteger, nullable=False),
    Column("time", Double, nullable=False),
    Column("reason", Text, nullable=False),
)

points = Table(
    "points",
    schema,
    Column("run", Text, primary_key=True),
    Column("attempt", BigInteger, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("columns", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

findings = Table(
    "findings",
    schema,
    # SQLite numbers rows by itself only in a primary key of type INTEGER.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("run", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("step", BigInteger),
    Column("message", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("time", Double, nullable=False),
    Index("findings_by_run", "run"),
)

edits = Table(
    "edits",
    schema,
    Column("run", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("group", BigInteger),
    Column("author", Text, nullable=False),
    Column("time", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("step", BigInteger),
    Column("answer", Text, nullable=False),
    Column("position", BigInteger),
)

snapshots = Table(
    "snapshots",
    schema,
    Column("run", Text, primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("place", Text, nullable=False),
    Column("time", Double, nullable=False),
)

alerts = Table(
    "alerts",
    schema,
    Column("target", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("time", Double, nullable=False),
)

documents = Table(
    "documents",
    schema,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("time", Double, nullable=False),
    Column("facts", Text, nullable=False),
    Column("content", Text, nullable=False),
)
"""The results of commands before a run: plans and sweeps, as their JSON."""
