"""Readers of logs that other tools wrote, one file for each kind of log."""

from learnrate.watch.readers._names import Names
from learnrate.watch.readers._read import READERS, read_runs
from learnrate.watch.readers._reader import Reader

__all__ = ["READERS", "Names", "Reader", "read_runs"]
