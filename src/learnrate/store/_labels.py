"""The labels of a run by its owner: name, tags, note, whether it is pinned, and its lifecycle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from learnrate._errors import ArgumentError
from learnrate.store import _writes as writes
from learnrate.store._records import Lifecycle
from learnrate.store._rows import run_of
from learnrate.store._tables import runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from learnrate.store._records import StoredRun
    from learnrate.store._store import Store

__all__ = ["LabelChange", "change_labels", "purge_runs"]

_LONGEST = {"name": 200, "tags": 100, "note": 10_000}  # characters


@dataclass(frozen=True, kw_only=True)
class LabelChange:
    """New labels of a run; None leaves a label as it is.

    Args:
        run: the run's id.
        name: a text of 1 to 200 characters.
        lifecycle: where it is listed.
        pinned: whether it is listed first.
        tags: all its tags, each of 1 to 100 characters and without commas.
        note: a text of at most 10,000 characters.

    Raises:
        ArgumentError: a label is too long, or empty.

    Examples:
        >>> LabelChange(run="kobu-zarite", tags=("baseline",)).labels
        {'tags': ('baseline',)}
    """

    run: str
    name: str | None = None
    lifecycle: Lifecycle | None = None
    pinned: bool | None = None
    tags: tuple[str, ...] | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        for field, text in (
            ("name", self.name),
            ("note", self.note),
            *(("tags", tag) for tag in self.tags or ()),
        ):
            if text is not None and len(text) > _LONGEST[field]:
                raise ArgumentError(
                    f"{field} must have at most {_LONGEST[field]:,} characters; got {len(text):,}."
                )
            if text is not None and field != "note" and not text.strip():
                raise ArgumentError(f"{field} must not be empty; got {text!r}.")
        for tag in self.tags or ():
            if "," in tag:
                raise ArgumentError(f"tags must not contain commas; got {tag!r}.")

    @property
    def labels(self) -> dict[str, Any]:
        """The labels that change, by name."""
        names = ("name", "lifecycle", "pinned", "tags", "note")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def change_labels(store: Store, changes: Iterable[LabelChange]) -> list[LabelChange]:
    """Change labels of runs, all of them or none; returns the changes that undo this.

    Raises:
        ArgumentError: there is no such run.

    Examples:
        >>> import tempfile, pathlib
        >>> from learnrate.store import Store
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store(pathlib.Path(folder.name) / "runs.db")
        >>> run = store.new_run(name="first")
        >>> undo = change_labels(store, [LabelChange(run=run, name="baseline", pinned=True)])
        >>> store.run(run).name
        'baseline'
        >>> _ = change_labels(store, undo)
        >>> store.run(run).name, store.run(run).pinned
        ('first', False)
        >>> folder.cleanup()
    """
    undo: list[LabelChange] = []
    with store.writing() as connection:
        for change in changes:
            run = _run_in(connection, change.run, store.place)
            labels = change.labels
            before = {name: getattr(run, name) for name in labels}
            undo.insert(0, LabelChange(run=change.run, **before))
            if "tags" in labels:
                labels["tags"] = json.dumps(list(dict.fromkeys(change.tags or ())))
            if labels:
                connection.execute(update(runs).where(runs.c.id == change.run).values(labels))
    return undo


def purge_runs(store: Store, run_ids: Iterable[str]) -> None:
    """Remove deleted runs for good, with their points, findings and edits; all of them or none.

    Raises:
        ArgumentError: there is no such run, it was not deleted before, or it is running.
    """
    with store.writing() as connection:
        for run_id in dict.fromkeys(run_ids):
            run = _run_in(connection, run_id, store.place)
            if run.live:
                raise ArgumentError(f"the run {run_id} is running; stop it before it is purged.")
            if run.lifecycle is not Lifecycle.DELETED:
                raise ArgumentError(f"the run {run_id} must be deleted before it is purged.")
            writes.delete_run(connection, run_id)


def _run_in(connection: Connection, run: str, place: str) -> StoredRun:
    row = connection.execute(select(runs).where(runs.c.id == run)).one_or_none()
    if row is None:
        raise ArgumentError(f"there is no run {run!r} in {place}.")
    return run_of(row)
