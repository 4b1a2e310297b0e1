"""Parquet tables of any tool, such as those that `learnrate export` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import FileError, needing
from learnrate.watch.readers._csv import looks_like_log
from learnrate.watch.readers._log_table import LogTable, is_text_of_interest
from learnrate.watch.readers._names import is_number_of_interest
from learnrate.watch.readers._reader import Reader, first_bytes
from learnrate.watch.readers._table_runs import runs_in

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["READER"]

_MAGIC = b"PAR1"


def _recognises(path: Path) -> bool:
    return path.suffix.lower() in {".parquet", ".pq"} and first_bytes(path, 4) == _MAGIC


def _is_log(path: Path) -> bool:
    """Whether a column looks like a loss or a rate; without pyarrow that is not known."""
    try:
        return looks_like_log(_opened(path).schema_arrow.names, str(path))
    except (FileError, ImportError):
        return True


def _opened(path: Path) -> Any:
    with needing("pyarrow", "parquet", "Reading a Parquet file"):
        from pyarrow import ArrowException, parquet  # noqa: PLC0415 - optional, and slow to load
    try:
        return parquet.ParquetFile(path)
    except (ArrowException, ValueError, OSError) as error:
        raise FileError(f"{path} is not a whole Parquet file: {error}.") from error


def _read(path: Path, names: Names) -> list[Observations]:
    file = _opened(path)
    header = list(dict.fromkeys(file.schema_arrow.names))
    wanted = [name for name in header if is_number_of_interest(name, names)]
    texts = [name for name in header if is_text_of_interest(name)]
    numbers, columns = {}, {}
    try:
        table = file.read(columns=list(dict.fromkeys([*wanted, *texts])))
        for name in wanted:
            values = _numbers(table.column(name))
            if values is not None:
                numbers[name] = values
        for name in texts:
            cells = table.column(name).to_pylist()
            columns[name] = np.array(["" if c is None else str(c) for c in cells], dtype=object)
    except (ValueError, KeyError, OSError) as error:  # of which pyarrow's own errors are kinds
        raise FileError(f"{path} cannot be read as Parquet: {error}.") from error
    if not file.metadata.num_rows:
        raise FileError(f"{path} has no rows.")
    return runs_in(
        LogTable(file.metadata.num_rows, numbers, columns, header), str(path), names, str(path)
    )


def _numbers(column: Any) -> np.ndarray | None:
    """Floats: NaN where a value is missing, inf where it is not finite; None if it has no numbers."""
    from pyarrow import types  # noqa: PLC0415 - as above

    kind = column.type
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        return None
    missing = column.is_null().to_numpy()
    values = np.asarray(column.cast("float64", safe=False).to_numpy(), dtype=float)
    return np.where(missing, np.nan, np.where(np.isfinite(values), values, np.inf))


READER = Reader(
    name="Parquet table", recognises=_recognises, read=_read, any_tool=True, is_log=_is_log
)
