"""A run's points as a file that other tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import ArgumentError, needing
from learnrate._files import csv_text, write_bytes, write_json
from learnrate.store._listing import FIELDS, facts_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from learnrate.store._listing import ListedRun
    from learnrate.store._records import RecordedPoints

__all__ = ["csv_listing", "write_listing", "write_table"]


def write_table(points: RecordedPoints, path: Path) -> int:
    """Write points to a CSV or Parquet file, completely or not at all; returns the number of rows.

    The columns are `step`, `attempt` and what was recorded. A missing value is an empty cell in
    CSV and null in Parquet. Numbers are written to the last bit.

    Raises:
        ArgumentError: the file's name ends in neither .csv nor .parquet.
        FileError: the file cannot be written.
        MissingExtraError: the file is to be Parquet and pyarrow is not installed.
    """
    writers = {".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in writers:
        raise ArgumentError(f"--to must end in .csv or .parquet; got {path}.")
    write_bytes(path, writers[path.suffix.lower()](points))
    return len(points.step)


def write_listing(runs: Sequence[ListedRun], columns: Sequence[str], path: Path) -> None:
    """Write a list of runs to a CSV or JSON file, completely or not at all.

    Args:
        runs: one row for each.
        columns: fields and facts, after the run's id; all of them if empty.
        path: a file whose name ends in .csv or .json.

    Raises:
        ArgumentError: the file's name ends otherwise.
        FileError: the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".json"}:
        raise ArgumentError(f"--to must end in .csv or .json; got {path}.")
    if suffix == ".json":
        write_json(path, [listed_run.to_dict(columns) for listed_run in runs])
    else:
        write_bytes(path, csv_listing(runs, columns).encode())


def csv_listing(runs: Sequence[ListedRun], columns: Sequence[str] = ()) -> str:
    """A list of runs as CSV; a missing value is an empty cell.

    Args:
        runs: one row for each.
        columns: fields and facts, after the run's id; all of them if empty.
    """
    names = list(dict.fromkeys(["run", *(columns or [*FIELDS, *facts_of(runs)])]))
    return csv_text([names, *([run.value(name) for name in names] for run in runs)])


def _csv(points: RecordedPoints) -> bytes:
    cells = [points.step.tolist(), points.attempt.tolist()]
    for column in points.columns.values():
        missing = np.isnan(column)
        cells.append(np.where(missing, "", column.astype(object)).tolist())
    names = ["step", "attempt", *points.columns]
    return csv_text([names, *zip(*cells, strict=True)]).encode()


def _parquet(points: RecordedPoints) -> bytes:
    with needing("pyarrow", "parquet", "a Parquet file"):
        import pyarrow as pa  # noqa: PLC0415 - optional, and slow to load
        from pyarrow import parquet  # noqa: PLC0415

    columns = {"step": pa.array(points.step), "attempt": pa.array(points.attempt)}
    for name, column in points.columns.items():
        columns[name] = pa.array(column, mask=np.isnan(column))
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())
