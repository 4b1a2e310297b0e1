"""A store in SQLite as one more kind of log: every run in it, against its schedule as edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._errors import FileError, StoreError
from learnrate.steering._replayed import observations_as_edited
from learnrate.store import Store, is_store
from learnrate.watch.readers import Reader

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch import Observations
    from learnrate.watch.readers import Names

__all__ = ["STORE"]


def _read(path: Path, _: Names) -> list[Observations]:
    try:
        store = Store(path, create=False)
        return [observations_as_edited(store, run.id) for run in reversed(store.runs())]
    except StoreError as error:
        raise FileError(str(error)) from error


STORE = Reader(name="learnrate store", claims=is_store, read=_read)
