"""Lightning's CSVLogger: metrics.csv in a folder of its version, sparse rows by global step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from learnrate.watch.readers._reader import Reader
from learnrate.watch.readers._tables import header_of, read_csv

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["LIGHTNING"]


def _claims(path: Path) -> bool:
    return path.name == "metrics.csv" and {"epoch", "step"} <= set(header_of(path))


def _read(path: Path, names: Names) -> list[Observations]:
    return [replace(one, run=str(path.parent)) for one in read_csv(path, names)]


LIGHTNING = Reader(name="Lightning CSV log", claims=_claims, read=_read)
