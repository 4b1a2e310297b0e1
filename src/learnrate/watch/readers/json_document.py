"""A JSON document that is a whole log: a list of objects, or an object of lists of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._files import read_json
from learnrate.watch.readers._csv import looks_like_log
from learnrate.watch.readers._reader import MIB, Reader, first_bytes, size_within
from learnrate.watch.readers._rows import flat, table_of
from learnrate.watch.readers._table_runs import runs_in
from learnrate.watch.readers.json_lines import is_json_lines

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["READER"]

_LIMIT = 512 * MIB
_LOG_LIMIT = 16 * MIB  # of a document that is looked into to see whether it is a log
_LEAST_ROWS = 2


def _recognises(path: Path) -> bool:
    return (
        path.suffix.lower() == ".json"
        and first_bytes(path, 64).lstrip()[:1] in {b"[", b"{"}
        and not is_json_lines(path)
    )


def _is_log(path: Path) -> bool:
    """Whether a document holds rows with a loss or a rate; most documents are not logs."""
    if path.stat().st_size > _LOG_LIMIT:
        return False
    try:
        rows = _rows(read_json(path))
    except FileError:
        return False
    return len(rows) >= _LEAST_ROWS and looks_like_log(list(rows[-1]), str(path))


def _read(path: Path, names: Names) -> list[Observations]:
    size_within(path, _LIMIT, "Write it as JSON lines, one object for each row.")
    document = read_json(path)
    rows = _rows(document)
    if not rows:
        raise FileError(
            f"{path} is JSON, but no log: it is neither a list of objects nor an object of lists "
            "of numbers."
        )
    facts = {"step_unit": "epoch"} if _is_fit_history(document) else {}
    return runs_in(table_of(rows, names), str(path), names, str(path), facts=facts)


def _is_fit_history(document: Any) -> bool:
    """Whether it is the `history` of Keras' `fit`: lists with a value of each for every epoch."""
    return isinstance(document, dict) and any(
        isinstance(column, list)
        and isinstance(document.get(f"val_{name}"), list)
        and len(document[f"val_{name}"]) == len(column)
        for name, column in document.items()
    )


def _rows(document: Any) -> list[dict[str, Any]]:
    """The rows of a document; none if it is not a log."""
    if isinstance(document, list):
        return [flat(row) for row in document if isinstance(row, dict)]
    if not isinstance(document, dict):
        return []
    columns = {
        name: column
        for name, column in flat(document).items()
        if isinstance(column, list) and column and not isinstance(column[0], dict | list)
    }
    if columns:
        length = max(map(len, columns.values()))
        return [
            {name: column[row] for name, column in columns.items() if row < len(column)}
            for row in range(length)
        ]
    lists = [column for column in document.values() if isinstance(column, list)]
    return _rows(lists[0]) if len(lists) == 1 else []


READER = Reader(
    name="JSON document", recognises=_recognises, read=_read, any_tool=True, is_log=_is_log
)
