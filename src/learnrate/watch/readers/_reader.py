"""What a reader is, and what all of them check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from learnrate._errors import FileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["MIB", "Reader", "first_bytes", "within"]

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How one kind of log is recognised and read.

    Attributes:
        name: of the kind, for messages.
        claims: whether a file or a folder is of this kind; it looks at names and first bytes only.
        read: the runs in it. It raises FileError with a sentence where the log cannot be read.
    """

    name: str
    claims: Callable[[Path], bool]
    read: Callable[[Path, Names], list[Observations]]


def first_bytes(path: Path, count: int = 4096) -> bytes:
    """The beginning of a file; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


def within(path: Path, limit: int, way_out: str) -> int:
    """The size of a file in bytes.

    Raises:
        FileError: it is larger than can be read in reasonable time and memory, or not there.
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
