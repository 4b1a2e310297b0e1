"""A run's points as a file that other tools read."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import ArgumentError, needing
from learnrate._files import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.store._records import RecordedPoints

__all__ = ["write_table"]


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


def _csv(points: RecordedPoints) -> bytes:
    cells = [points.step.tolist(), points.attempt.tolist()]
    for column in points.columns.values():
        missing = np.isnan(column)
        cells.append(np.where(missing, "", column.astype(object)).tolist())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", "attempt", *points.columns])
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue().encode()


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
