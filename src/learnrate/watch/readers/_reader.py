"""The base of all readers, and the checks that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from learnrate._errors import FileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["MIB", "Reader", "first_bytes", "size_within"]

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How one kind of log is recognised and read.

    Attributes:
        name: the kind of log, for messages.
        recognises: whether a file or a folder is of this kind. It looks at names and first bytes only.
        read: the runs in it. It raises `FileError` with a sentence if the log cannot be read.
        any_tool: whether any tool may write this format, such as CSV; such readers are tried last.
        is_log: whether a file of this kind that is found in a folder is a log; always by default.
        nested: whether the folders inside of a log may be logs of their own.
        is_part: whether a folder inside of a log is read with it, so that it is not a separate log.
    """

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Names], list[Observations]]
    any_tool: bool = False
    is_log: Callable[[Path], bool] = lambda _: True
    nested: bool = False
    is_part: Callable[[Path], bool] = lambda _: False


def first_bytes(path: Path, count: int = 4096) -> bytes:
    """The first bytes of a file; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


def size_within(path: Path, limit: int, way_out: str) -> int:
    """The size of a file in bytes, if it is not too large to read.

    Args:
        path: the file.
        limit: the largest size in bytes that can be read in reasonable time and memory.
        way_out: a sentence that says what to do with a larger one.

    Raises:
        FileError: the file is larger, or it does not exist.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from error
    if size > limit:
        raise FileError(
            f"{path} has {size / MIB:,.0f} MiB; logs of this kind are read up to "
            f"{limit / MIB:,.0f} MiB. {way_out}"
        )
    return size
