"""MLflow: its SQLite database, or the folders of its file store; neither needs MLflow itself.

Metrics are one table of a database, or one text file per metric, both described in MLflow's own
documentation; the package would bring a web framework with it and take seconds to load.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from learnrate._errors import FileError
from learnrate.watch.readers._log_series import LogSeries, to_observations
from learnrate.watch.readers._reader import Reader, first_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["READER"]

_MAGIC = b"SQLite format 3\0"
_TABLES = {"runs", "metrics", "experiments"}
_SYSTEM = "system/"  # metrics of the machine, which MLflow may sample at steps of their own


def _recognises(path: Path) -> bool:
    return _is_run_folder(path) or _is_database(path)


def _read(path: Path, names: Names) -> list[Observations]:
    return _read_folder(path, names) if path.is_dir() else _read_database(path, names)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _is_database(path: Path) -> bool:
    if not path.is_file() or first_bytes(path, 16) != _MAGIC:
        return False
    try:
        with closing(_connect(path)) as database:
            rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name for (name,) in rows} >= _TABLES
    except sqlite3.Error:
        return False


def _read_database(path: Path, names: Names) -> list[Observations]:
    try:
        with closing(_connect(path)) as database:
            rows = database.execute(
                "SELECT run_uuid, name FROM runs WHERE lifecycle_stage = 'active' "
                "ORDER BY start_time"
            ).fetchall()
            stored = [(uuid, name or uuid, _series_of(database, uuid)) for uuid, name in rows]
    except sqlite3.Error as error:
        raise FileError(f"{path} cannot be read as a database of MLflow: {error}.") from error
    runs = [
        to_observations(f"{path.name}/{name}", series, names, where=f"{path}, run {name} ({uuid})")
        for uuid, name, series in stored
        if series
    ]
    if not runs:
        raise FileError(f"{path} has no runs with metrics.")
    return runs


def _series_of(database: sqlite3.Connection, uuid: str) -> dict[str, LogSeries]:
    series: dict[str, LogSeries] = {}
    rows = database.execute(
        "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY timestamp, step",
        (uuid,),
    )
    for key, step, value, is_nan in rows:
        if not key.startswith(_SYSTEM):
            series.setdefault(key, LogSeries()).add(step, float("nan") if is_nan else value)
    return series


def _is_run_folder(path: Path) -> bool:
    return path.is_dir() and (path / "meta.yaml").is_file() and (path / "metrics").is_dir()


def _read_folder(path: Path, names: Names) -> list[Observations]:
    series: dict[str, LogSeries] = {}
    for file in sorted((path / "metrics").rglob("*")):
        name = file.relative_to(path / "metrics").as_posix()
        if file.is_file() and not name.startswith(_SYSTEM):
            series[name] = _read_metric(file)
    if not series:
        raise FileError(f"{path} has no metrics.")
    name_file = path / "tags" / "mlflow.runName"
    name = (
        name_file.read_text(encoding="utf-8", errors="replace").strip()
        if name_file.is_file()
        else path.name
    )
    return [to_observations(f"{path.parent.name}/{name}", series, names, where=str(path))]


def _read_metric(file: Path) -> LogSeries:
    series = LogSeries()
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        row = _step_and_value(line)
        if row is None:
            if number == len(lines):
                break  # cut off while it was written
            raise FileError(
                f"{file}, line {number}, must be a time, a value and a step, as MLflow writes them."
            )
        series.add(*row)
    return series


def _step_and_value(line: str) -> tuple[float, float] | None:
    cells = line.split()
    if len(cells) < 3:
        return None
    try:
        return float(int(cells[2])), float(cells[1])
    except ValueError:
        return None


READER = Reader(name="MLflow database or run", recognises=_recognises, read=_read)
