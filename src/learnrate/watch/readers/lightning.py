"""Lightning's CSVLogger: metrics.csv in a folder per version, with sparse rows by global step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from learnrate.watch.readers._csv import header_of, read_csv
from learnrate.watch.readers._reader import Reader

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["READER"]


def _recognises(path: Path) -> bool:
    return path.name == "metrics.csv" and {"epoch", "step"} <= set(header_of(path))


def _read(path: Path, names: Names) -> list[Observations]:
    return [replace(run, run=str(path.parent)) for run in read_csv(path, names)]


READER = Reader(name="Lightning CSV log", recognises=_recognises, read=_read)
