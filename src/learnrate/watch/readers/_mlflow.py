"""MLflow: its SQLite database, or the folders of its file store; neither needs MLflow itself.

Metrics are one table of a database, or one text file a metric, both described in MLflow's own
documentation; the package would bring a web framework along and take seconds to load.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from learnrate._errors import FileError
from learnrate.watch.readers._reader import Reader, first_bytes
from learnrate.watch.readers._series import Series, assembled

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["MLFLOW_DATABASE", "MLFLOW_FOLDER"]

_MAGIC = b"SQLite format 3\0"
_TABLES = {"runs", "metrics", "experiments"}


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _is_database(path: Path) -> bool:
    if not path.is_file() or first_bytes(path, 16) != _MAGIC:
        return False
    try:
        with closing(_opened(path)) as database:
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name for (name,) in found} >= _TABLES
    except sqlite3.Error:
        return False


def _read_database(path: Path, names: Names) -> list[Observations]:
    try:
        with closing(_opened(path)) as database:
            runs = database.execute(
                "SELECT run_uuid, name FROM runs WHERE lifecycle_stage = 'active' "
                "ORDER BY start_time"
            ).fetchall()
            held = [(uuid, name or uuid, _stored(database, uuid)) for uuid, name in runs]
    except sqlite3.Error as error:
        raise FileError(f"{path} cannot be read as MLflow's database: {error}.") from error
    made = [
        assembled(f"{path.name}/{name}", series, names, where=f"{path}, run {name} ({uuid})")
        for uuid, name, series in held
        if series
    ]
    if not made:
        raise FileError(f"{path} holds no runs with metrics.")
    return made


def _stored(database: sqlite3.Connection, uuid: str) -> dict[str, Series]:
    series: dict[str, Series] = {}
    rows = database.execute(
        "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY timestamp, step",
        (uuid,),
    )
    for key, step, value, is_nan in rows:
        if key.startswith("system/"):
            continue
        series.setdefault(key, Series()).add(step, float("nan") if is_nan else value)
    return series


def _is_folder(path: Path) -> bool:
    return path.is_dir() and (path / "meta.yaml").is_file() and (path / "metrics").is_dir()


def _read_folder(path: Path, names: Names) -> list[Observations]:
    series: dict[str, Series] = {}
    for file in sorted((path / "metrics").rglob("*")):
        if file.is_file():
            name = file.relative_to(path / "metrics").as_posix()
            if not name.startswith("system/"):
                series[name] = _metric(file)
    if not series:
        raise FileError(f"{path} holds no metrics.")
    run = path / "tags" / "mlflow.runName"
    name = (
        run.read_text(encoding="utf-8", errors="replace").strip() if run.is_file() else path.name
    )
    return [assembled(f"{path.parent.name}/{name}", series, names, where=str(path))]


def _metric(file: Path) -> Series:
    series = Series()
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        cells = line.split()
        numbers = _numbers(cells)
        if numbers is None:
            if number == len(lines):
                break  # cut off while it was written
            raise FileError(
                f"{file}, line {number}, is none of MLflow's: a time, a value and a step."
            )
        series.add(*numbers)
    return series


def _numbers(cells: list[str]) -> tuple[float, float] | None:
    if len(cells) < 3:
        return None
    try:
        return float(int(cells[2])), float(cells[1])
    except ValueError:
        return None


MLFLOW_DATABASE = Reader(name="MLflow database", claims=_is_database, read=_read_database)
MLFLOW_FOLDER = Reader(name="MLflow run", claims=_is_folder, read=_read_folder)
