"""The records that a recorder has not written yet, limited in number."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learnrate.store._run_writer import RunWriter

__all__ = ["Backlog"]


class Backlog:
    """Rows and other records, in order, until they are written.

    Args:
        keep: the most rows to keep; beyond that the oldest are dropped.
    """

    def __init__(self, keep: int) -> None:
        self.rows, self.lost_rows = 0, 0
        self._keep = keep
        self._records: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self._records)

    def put(self, record: Any) -> None:
        """Add rows, a `NewAttempt`, a finding or a status."""
        self._records.append(record)
        self.rows += _row_count(record)
        while self.rows > self._keep:
            self._drop_oldest_rows()

    def _drop_oldest_rows(self) -> None:
        for index, record in enumerate(self._records):
            count = _row_count(record)
            if count:
                del self._records[index]
                self.rows -= count
                self.lost_rows += count
                return

    def write(self, writer: RunWriter, step: int) -> None:
        """Write everything in one transaction, with the update about to happen.

        Raises:
            StoreError: the store cannot be written; the records are kept.
        """
        writer.write(list(self._records), step)
        self._records.clear()
        self.rows = 0


def _row_count(record: Any) -> int:
    return len(record[0]) if type(record) is tuple else 0
