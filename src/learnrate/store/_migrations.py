"""Makes the tables of a new store, and upgrades the tables of an older version.

Migrations are numbered and append-only, one transaction each. A released one is never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, inspect, select, text, update

from learnrate._errors import StoreError
from learnrate.store._place import transaction
from learnrate.store._tables import schema
from learnrate.store._tables import version as version_table

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["LATEST", "migrate", "upgrade", "version_of"]

_LOCK = 0x6C72  # any number, the same for every process that migrates a PostgreSQL store

_MIGRATIONS = (  # the statements from version 1 to 2, from 2 to 3, ...
    ("ALTER TABLE edits ADD COLUMN position BIGINT",),
    ("ALTER TABLE runs RENAME COLUMN total TO total_steps",),
    (
        "ALTER TABLE runs ADD COLUMN validation DOUBLE PRECISION",
        "ALTER TABLE runs ADD COLUMN lowest_loss DOUBLE PRECISION",
        "ALTER TABLE runs ADD COLUMN lowest_validation DOUBLE PRECISION",
        "ALTER TABLE runs ADD COLUMN lifecycle TEXT NOT NULL DEFAULT 'active'",
        "ALTER TABLE runs ADD COLUMN pinned BOOLEAN NOT NULL DEFAULT FALSE",
        "ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT ''",
    ),
    (
        """CREATE TABLE alerts (
            target TEXT NOT NULL, subject TEXT NOT NULL, time DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (target, subject))""",
    ),
    (
        """CREATE TABLE documents (
            id TEXT NOT NULL, kind TEXT NOT NULL, task TEXT NOT NULL,
            time DOUBLE PRECISION NOT NULL, facts TEXT NOT NULL, content TEXT NOT NULL,
            PRIMARY KEY (id))""",
    ),
)
LATEST = 1 + len(_MIGRATIONS)


def version_of(connection: Connection) -> int:
    """The version of a store's tables; 0 for an empty database."""
    if not inspect(connection).has_table(version_table.name):
        return 0
    return int(connection.execute(select(version_table.c.version)).scalar_one())


def upgrade(engine: Engine, place: str) -> None:
    """Bring an existing store to the latest version.

    Raises:
        StoreError: the database is not a store, or is of a later version.
    """
    with engine.connect() as connection:
        version = version_of(connection)
    if version == 0:
        raise StoreError(f"{place} is a database, but not a store of learnrate.")
    if version != LATEST:
        migrate(engine, place)


def migrate(engine: Engine, place: str) -> None:
    """Make the tables of a new store, or upgrade them; many processes may do so at once.

    Args:
        engine: the engine of the store.
        place: the place of the store, for messages.

    Raises:
        StoreError: the store was written by a newer version of learnrate.
    """
    with engine.connect() as connection:
        version = version_of(connection)
    while version < LATEST:
        with (
            engine.connect().execution_options(writing=True) as connection,
            transaction(connection),
        ):
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            version = _upgrade_once(connection)
    if version > LATEST:
        raise StoreError(
            f"the store {place} has version {version}; this learnrate reads up to {LATEST}. "
            "Install a newer version of learnrate."
        )


def _upgrade_once(connection: Connection) -> int:
    """Make the tables, or upgrade them by one version; the version they have then."""
    version = version_of(connection)  # another process may have upgraded them meanwhile
    if version == 0:
        schema.create_all(connection, checkfirst=False)
        connection.execute(insert(version_table).values(version=LATEST))
        return LATEST
    if version < LATEST:
        for statement in _MIGRATIONS[version - 1]:
            connection.execute(text(statement))
        version += 1
        connection.execute(update(version_table).values(version=version))
    return version
