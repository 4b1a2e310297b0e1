"""The tables as they are now; `_migrations` makes them, step by step."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, LargeBinary, MetaData, Table, Text

__all__ = ["attempts", "edits", "findings", "points", "runs", "schema", "snapshots"]

schema = MetaData()
"""Times are seconds since 1970, JSON is text, and so both databases hold the same."""

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
    Column("id", BigInteger, primary_key=True),
    Column("run", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("step", BigInteger),
    Column("message", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("time", Double, nullable=False),
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
