"""Logs that other tools wrote, read as observations; a reader a kind of log."""

from learnrate.watch.readers._names import Names
from learnrate.watch.readers._read import READERS, read_runs
from learnrate.watch.readers._reader import Reader

__all__ = ["READERS", "Names", "Reader", "read_runs"]
