"""Keras's CSVLogger: a row per epoch, the epoch in the first column, the validation loss as val_loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.watch.readers._csv import header_of, is_csv, read_csv
from learnrate.watch.readers._reader import Reader

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["READER"]


def _recognises(path: Path) -> bool:
    header = header_of(path)
    return is_csv(path) and header[0] == "epoch" and "step" not in header and "loss" in header


READER = Reader(name="Keras CSV log", recognises=_recognises, read=read_csv)
