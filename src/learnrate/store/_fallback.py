"""Records that could not be written to a store, in a separate store beside it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnrate.store._place import url_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import URL

    from learnrate.store._run_writer import RunWriter

__all__ = ["Fallback"]

_WAIT = 0.2  # seconds: no other process writes it


class Fallback:
    """A store that takes the records of a run while its own store cannot be written.

    It lies beside the store, or in the current folder if the store is on a server or its folder
    cannot be written. `merge` adds it to the store.

    Args:
        url: the URL of the run's own store.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._writer: RunWriter | None = None
        self.place: Path | None = None

    def write(self, writer: RunWriter, records: Sequence[Any], step: int) -> bool:
        """Write records in order; returns whether they are on disk.

        Args:
            writer: the writer of the run's own store, which knows where in the run the records belong.
            records: the records, as of `RunWriter.write`.
            step: the update about to happen.
        """
        if self._writer is not None:
            return _written(self._writer, records, step)
        for folder in self._folders():
            place = folder / f"{self._stem()}-unwritten-{writer.run}.db"
            fallback = writer.elsewhere(url_of(place), _WAIT)
            if _written(fallback, records, step):
                self._writer, self.place = fallback, place
                return True
            _delete(place)
        return False

    def remove(self) -> None:
        """Delete it, because its records are in the run's own store now."""
        if self._writer is None or self.place is None:
            return
        self._writer.close()
        _delete(self.place)
        self._writer = self.place = None

    def close(self) -> None:
        """Close its connections; the file stays."""
        if self._writer is not None:
            self._writer.close()

    def _folders(self) -> list[Path]:
        working_folder = Path.cwd()
        if self._url.drivername != "sqlite":
            return [working_folder]
        store_folder = Path(str(self._url.database)).parent
        return [store_folder] if store_folder == working_folder else [store_folder, working_folder]

    def _stem(self) -> str:
        return Path(str(self._url.database)).stem or "learnrate"


def _delete(place: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        with suppress(OSError):
            Path(f"{place}{ending}").unlink(missing_ok=True)


def _written(writer: RunWriter, records: Sequence[Any], step: int) -> bool:
    try:
        writer.write(records, step)
    except Exception:  # noqa: BLE001 - the disk is full, say; training continues in any case
        writer.close()
        return False
    return True
