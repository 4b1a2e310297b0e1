"""What can go wrong, as one tree.

    LearnrateError
    ├── ArgumentError      a value outside its rule (also a ValueError)
    │   └── ScheduleError  a schedule that cannot be built, read or evaluated
    ├── TaskError          a task that cannot be loaded or trained
    ├── FileError          a file of ours that cannot be read or written
    ├── StoreError         a store that cannot be opened, read or written
    ├── LostRankError      another process of a distributed job has ended (exit status 1)
    └── MissingExtraError  an optional package is not installed (also an ImportError)

Every message says the argument as typed, the rule, the value, and the way out. The command line
prints the message alone and exits with 2, or with 1 where a job failed while it ran.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ArgumentError",
    "FileError",
    "LearnrateError",
    "LostRankError",
    "MissingExtraError",
    "ScheduleError",
    "StoreError",
    "TaskError",
    "needing",
]


class LearnrateError(Exception):
    """Base of every error that is the caller's to mend."""


class ArgumentError(LearnrateError, ValueError):
    """A value outside the rule its argument states."""


class ScheduleError(ArgumentError):
    """A schedule that cannot be built, read or evaluated as asked."""


class TaskError(LearnrateError):
    """A task that cannot be loaded, or that cannot be trained as it is."""


class FileError(LearnrateError):
    """A file of ours that cannot be read (truncated, newer, edited out of range) or written."""


class StoreError(LearnrateError):
    """A store that is not there, or cannot be opened, read or written."""


class LostRankError(LearnrateError):
    """Another process of a distributed job ended or cannot be reached; the job cannot go on."""


class MissingExtraError(LearnrateError, ImportError):
    """An optional package is needed here and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed. "
            f"Install it with: pip install 'learnrate[{extra}]'"
        )


@contextmanager
def needing(package: str, extra: str, purpose: str) -> Iterator[None]:
    """Imports within say how to get `package` where it is not installed.

    One that is installed and lacks something itself (Keras its backend, say) raises its own error.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtraError(package, extra, purpose) from error
