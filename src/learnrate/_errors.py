"""The exceptions of the package.

    LearnrateError
    ├── ArgumentError      a value breaks the rule of its argument (also a ValueError)
    │   └── ScheduleError  a schedule cannot be built, read or evaluated
    ├── TaskError          a task cannot be loaded or trained
    ├── FileError          a file of learnrate cannot be read or written
    ├── StoreError         a store cannot be opened, read or written
    ├── AlertError         an alert cannot be sent
    ├── LostRankError      another process of a distributed job has ended (exit status 1)
    └── MissingExtraError  an optional package is not installed (also an ImportError)

Every message has the argument as typed, the rule, the value and the way out. The command line
prints only the message and exits with 2, or with 1 if a job failed while it ran.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "AlertError",
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
    """Base class of every error that the caller can correct."""


class ArgumentError(LearnrateError, ValueError):
    """A value breaks the rule of its argument."""


class ScheduleError(ArgumentError):
    """A schedule cannot be built, read or evaluated."""


class TaskError(LearnrateError):
    """A task cannot be loaded, or cannot be trained as it is."""


class FileError(LearnrateError):
    """A file of learnrate cannot be written or read (truncated, newer, or out of range)."""


class StoreError(LearnrateError):
    """A store does not exist, or cannot be opened, read or written."""


class AlertError(LearnrateError):
    """An alert cannot be sent to its target."""


class LostRankError(LearnrateError):
    """Another process of a distributed job has ended or cannot be reached; the job must stop."""


class MissingExtraError(LearnrateError, ImportError):
    """An optional package is needed and is not installed.

    Args:
        package: The package's name.
        extra: The extra of learnrate that installs it.
        purpose: What needs it, as the subject of the message.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed. "
            f"Install it with: pip install 'learnrate[{extra}]'"
        )


@contextmanager
def needing(package: str, extra: str, purpose: str) -> Iterator[None]:
    """Explain how to install `package` if an import inside the block does not find it.

    An installed package that lacks one of its own dependencies raises its own error.

    Args:
        package: The package's name, as imported.
        extra: The extra of learnrate that installs it.
        purpose: What needs it, as the subject of the message.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtraError(package, extra, purpose) from error
