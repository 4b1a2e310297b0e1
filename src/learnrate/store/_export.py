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

    from learnrate.store._records import Points

__all__ = ["write_table"]


def write_table(points: Points, path: Path) -> int:
    """Write points as `path`'s ending says, whole or not at all; gives the number of rows.

    The columns are `step`, `attempt` and what was recorded. A value that is not there is an empty
    cell in CSV and null in Parquet; numbers come back to the last bit.

    Raises:
        ArgumentError: the ending is neither .csv nor .parquet.
        FileError: it cannot be written.
        MissingExtraError: Parquet is asked for and pyarrow is not installed.
    """
    kinds = {".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in kinds:
        raise ArgumentError(f"--to must end in .csv or .parquet; got {path}.")
    write_bytes(path, kinds[path.suffix.lower()](points))
    return len(points.step)


def _csv(points: Points) -> bytes:
    columns = [points.step.tolist(), points.attempt.tolist()]
    columns += [["" if x != x else x for x in held.tolist()] for held in points.columns.values()]  # noqa: PLR0124 - nan
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", "attempt", *points.columns])
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue().encode()


def _parquet(points: Points) -> bytes:
    with needing("pyarrow", "parquet", "a Parquet file"):
        import pyarrow as pa  # noqa: PLC0415 - optional, and slow to load
        from pyarrow import parquet  # noqa: PLC0415

    columns = {"step": pa.array(points.step), "attempt": pa.array(points.attempt)}
    for name, held in points.columns.items():
        columns[name] = pa.array(held, mask=np.isnan(held))
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())
