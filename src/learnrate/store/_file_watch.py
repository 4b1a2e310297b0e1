"""Notices what other programs do to the file of a store while a run writes to it."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["FileWatch"]

_MAGIC = b"SQLite format 3\0"
_MOST_OPEN = 64

_open_files: dict[tuple[int, int], int] = {}
"""Descriptors by device and inode. They stay open: to close a file drops all locks that SQLite has
on it in this process, and then another process may delete the log that is in use."""
_lock = Lock()


class FileWatch:
    """The file of a store, as it was when it was last looked at.

    SQLite writes to a file that was deleted, overwritten or cut short without noticing it, and these
    writes are lost.

    Args:
        url: the URL of the store. One on a server has no file, and is always the same.
    """

    def __init__(self, url: URL) -> None:
        self._path = Path(str(url.database)) if url.drivername == "sqlite" else None
        self._identity: tuple[int, int] | None = None
        self._size = 0

    def remember(self) -> None:
        """Remember the file as it is now as the right one."""
        self._identity, self._size = self._look()

    def is_other(self) -> bool:
        """Whether there is another file at the path, or none."""
        return self._look()[0] != self._identity

    def is_damaged(self) -> bool:
        """Whether the same file was overwritten or cut short; SQLite lets it only grow."""
        identity, size = self._look()
        if self._path is None or identity is None or identity != self._identity:
            return False
        is_shorter, self._size = size < self._size, size
        return is_shorter or not self._has_header()

    def _has_header(self) -> bool:
        assert self._path is not None  # noqa: S101 - the caller checked it
        assert self._identity is not None  # noqa: S101 - the caller checked it
        if not hasattr(os, "pread"):  # on Windows
            return True
        try:
            with _lock:
                if self._identity not in _open_files:
                    _open_files[self._identity] = os.open(self._path, os.O_RDONLY)
                    if len(_open_files) > _MOST_OPEN:
                        os.close(_open_files.pop(next(iter(_open_files))))
                return os.pread(_open_files[self._identity], len(_MAGIC), 0) == _MAGIC
        except OSError:
            return True  # the database will report what fails

    def _look(self) -> tuple[tuple[int, int] | None, int]:
        """Device and inode, which stay the same when a file is moved, and the size."""
        if self._path is None:
            return None, 0
        try:
            status = self._path.stat()
        except OSError:
            return None, 0
        return (status.st_dev, status.st_ino), status.st_size
