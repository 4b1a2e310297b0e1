"""What a recorder has yet to write, bounded."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learnrate.store._sink import Sink

__all__ = ["Backlog"]


class Backlog:
    """Rows and other things in order, until they are written; too many rows lose the oldest."""

    def __init__(self, keep: int) -> None:
        self.rows, self.lost = 0, 0
        self._keep = keep
        self._items: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Any) -> None:
        """Take rows, a turn, a finding or a status."""
        self._items.append(item)
        self.rows += _rows(item)
        while self.rows > self._keep:
            self._lose_oldest()

    def _lose_oldest(self) -> None:
        for at, item in enumerate(self._items):
            if _rows(item):
                del self._items[at]
                self.rows -= _rows(item)
                self.lost += _rows(item)
                return

    def write(self, sink: Sink, step: int) -> None:
        """Write all in one transaction, or nothing.

        Raises:
            StoreError: it cannot be written; it is still here.
        """
        sink.write(list(self._items), step)
        self._items.clear()
        self.rows = 0


def _rows(item: Any) -> int:
    return len(item[0]) if type(item) is tuple else 0
