"""The sweeps of whole runs as a small file of the package, for claims about every cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import learnrate.claims
from learnrate._files import number_or_none, write_text

from . import truth

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .cells import Cell

__all__ = ["PACKAGED", "packaged_sweeps", "write"]

PACKAGED = Path(learnrate.claims.__file__).parent / "logged" / "benchmark_sweeps.json"


def write(cells: Iterable[Cell]) -> None:
    """Write the sweeps of these cells, one line each."""
    lines = [json.dumps(row) for row in packaged_sweeps(cells)]
    write_text(PACKAGED, "[\n" + ",\n".join(lines) + "\n]\n")


def packaged_sweeps(cells: Iterable[Cell]) -> list[dict[str, Any]]:
    """Name, optimizer, rates and final losses of every cell that was swept, with four digits.

    The losses have a row for each rate and a column for each seed; null where a run diverged.
    """
    pairs = ((cell, truth.read(cell)) for cell in cells)
    return [
        {
            "cell": cell.name,
            "optimizer": cell.optimizer,
            "lr": stored["tables"][0]["lr"],
            "loss": [[_short(loss) for loss in row] for row in stored["tables"][0]["loss"]],
        }
        for cell, stored in pairs
        if stored is not None
    ]


def _short(loss: float | None) -> float | None:
    return None if loss is None else number_or_none(float(f"{loss:.4g}"))
