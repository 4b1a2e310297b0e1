"""The records that a recorder has not written yet, limited in number."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learnrate.store._fallback import Fallback
    from learnrate.store._run_writer import RunWriter

__all__ = ["Backlog"]


class Backlog:
    """Rows and other records, in order, until they are written.

    Args:
        keep: the most rows to keep; beyond that the oldest are dropped.

    Attributes:
        rows: how many there are.
        lost_rows: how many were dropped that are in no fallback.
        saved_rows: how many are in a fallback and in no store.
    """

    def __init__(self, keep: int) -> None:
        self.rows, self.lost_rows, self.saved_rows = 0, 0, 0
        self._keep = keep
        self._records: deque[Any] = deque()
        self._saved = 0  # number of records, from the first on, that are in the fallback

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
                if index < self._saved:
                    self._saved -= 1
                else:
                    self.lost_rows += count
                return

    def write(self, writer: RunWriter, step: int) -> None:
        """Write everything in one transaction, with the update about to happen.

        Raises:
            StoreError: the store cannot be written; the records are kept.
        """
        writer.write(list(self._records), step)
        self.saved_rows -= sum(map(_row_count, islice(self._records, self._saved)))
        self._records.clear()
        self.rows = self._saved = 0

    def save(self, fallback: Fallback, writer: RunWriter, step: int) -> bool:
        """Write records to a fallback that are not in it yet; returns whether all are in it.

        Args:
            fallback: the store beside the run's own.
            writer: the writer of the run's own store.
            step: the update about to happen.
        """
        unsaved = list(islice(self._records, self._saved, None))
        if unsaved and not fallback.write(writer, unsaved, step):
            return False
        self._saved = len(self._records)
        self.saved_rows += sum(map(_row_count, unsaved))
        return True


def _row_count(record: Any) -> int:
    return len(record[0]) if type(record) is tuple else 0
