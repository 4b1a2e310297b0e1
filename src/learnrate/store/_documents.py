"""Results from before a run: plans and sweeps, stored as their JSON."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from learnrate._errors import ArgumentError
from learnrate.store._tables import documents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

__all__ = ["StoredDocument", "add_document", "copy_documents", "document_row", "documents_in"]


@dataclass(frozen=True, kw_only=True)
class StoredDocument:
    """A plan or a sweep in a store.

    Attributes:
        kind: "plan" or "sweep".
        task: the task's name.
        time: the time when it was added, in seconds since 1970.
        facts: the facts of what was trained, such as its batch size.
        content: its JSON values.
    """

    kind: str
    task: str
    time: float
    facts: dict[str, Any]
    content: dict[str, Any]


def document_row(
    kind: str, content: Mapping[str, Any], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """A document as a row of the table; its id is computed from its content.

    Args:
        kind: "plan" or "sweep".
        content: JSON values, with the name of the task.
        facts: the facts of what was trained, such as its batch size, as JSON values.

    Raises:
        ArgumentError: the content or the facts are not JSON values.
    """
    try:
        texts = {
            "task": str(content["task"]),
            "facts": json.dumps(dict(facts), allow_nan=False),
            "content": json.dumps(dict(content), allow_nan=False),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ArgumentError(
            f"a {kind} must be JSON values with the name of its task; {type(error).__name__}: {error}."
        ) from error
    digest = hashlib.sha256(json.dumps([kind, texts]).encode()).hexdigest()
    return {"id": digest, "kind": kind, "time": time.time(), **texts}


def add_document(connection: Connection, row: Mapping[str, Any]) -> None:
    """Keep a document, unless the store has it already; the connection is in a transaction."""
    known = connection.execute(select(documents.c.id).where(documents.c.id == row["id"]))
    if known.first() is None:
        connection.execute(insert(documents).values(dict(row)))


def documents_in(
    connection: Connection, kind: str | None, task: str | None
) -> list[StoredDocument]:
    """The documents, the newest first.

    Args:
        connection: a database connection.
        kind: "plan" or "sweep"; both for None.
        task: the task's name; all for None.
    """
    query = select(documents).order_by(documents.c.time.desc(), documents.c.id)
    for column, value in ((documents.c.kind, kind), (documents.c.task, task)):
        query = query if value is None else query.where(column == value)
    return [
        StoredDocument(
            kind=row.kind,
            task=row.task,
            time=row.time,
            facts=json.loads(row.facts),
            content=json.loads(row.content),
        )
        for row in connection.execute(query)
    ]


def copy_documents(source: Connection, target: Connection) -> None:
    """Add the documents of a store to another; what it has already is not added twice."""
    for row in source.execute(select(documents)).mappings():
        add_document(target, dict(row))
