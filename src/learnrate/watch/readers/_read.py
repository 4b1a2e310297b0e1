"""The runs in a file or a folder, whatever tool wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from learnrate._errors import FileError
from learnrate.watch.readers._keras import KERAS
from learnrate.watch.readers._lightning import LIGHTNING
from learnrate.watch.readers._mlflow import MLFLOW_DATABASE, MLFLOW_FOLDER
from learnrate.watch.readers._names import Names
from learnrate.watch.readers._reader import Reader
from learnrate.watch.readers._tables import header_of, is_csv, is_jsonl, read_csv, read_jsonl
from learnrate.watch.readers._tensorboard import TENSORBOARD
from learnrate.watch.readers._transformers import TRANSFORMERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from learnrate.watch._observations import Observations

__all__ = ["READERS", "read_runs"]

READERS: tuple[Reader, ...] = (
    TENSORBOARD,
    TRANSFORMERS,
    MLFLOW_DATABASE,
    MLFLOW_FOLDER,
    LIGHTNING,
    KERAS,
    Reader(name="JSON lines", claims=is_jsonl, read=read_jsonl),
    Reader(name="CSV table", claims=is_csv, read=read_csv),
)
"""Every kind of log, asked in this order. A kind of another room's is added by the caller:
`read_runs(path, readers=(STORE, *READERS))`."""

_DEEPEST = 12
_MOST = 100_000  # files looked at in a folder


def read_runs(
    path: Path | str,
    names: Names | None = None,
    *,
    readers: Sequence[Reader] = READERS,
    problem: Callable[[str], None] | None = None,
) -> list[Observations]:
    r"""The runs in a log, or in all logs of a folder.

    Args:
        path: a file or a folder. Of a folder, files that no reader knows are passed over.
        names: what the log calls its series; guessed by default.
        readers: the kinds of logs looked for.
        problem: is told, in a sentence, of each log of a folder that cannot be read; without it
            the first one is raised. A log given by its own path is always raised.

    Raises:
        FileError: nothing is there, no reader knows it, or a log cannot be read.
        MissingExtraError: the package that reads this kind is not installed.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> log = Path(tempfile.mkdtemp()) / "log.csv"
        >>> _ = log.write_text("step,train_loss,lr\n0,2.0,0.1\n1,1.5,0.1\n")
        >>> [one.column("loss").tolist() for one in read_runs(log)]
        [[2.0, 1.5]]
    """
    path, names = Path(path), names or Names()
    if not path.exists():
        raise FileError(f"{path} is not there.")
    reader = _reader_of(path, readers)
    if reader is not None:
        return _read(reader, path, names)
    if not path.is_dir():
        known = ", ".join(one.name for one in readers)
        raise FileError(
            f"{path} is no log that can be read: no {known}. A table needs a header line, "
            "such as: step,loss,lr"
        )
    found: list[Observations] = []
    seen = 0
    for inner, kind in _logs(path, readers):
        seen += 1
        try:
            found += _read(kind, inner, names)
        except FileError as error:
            if problem is None:
                raise
            problem(str(error))
    if not found:
        why = "none of its logs could be read" if seen else "nothing in it is a log that can be"
        raise FileError(f"{path} holds no runs: {why}.")
    return found


def _read(reader: Reader, path: Path, names: Names) -> list[Observations]:
    try:
        return reader.read(path, names)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from error


def _reader_of(path: Path, readers: Sequence[Reader]) -> Reader | None:
    return next((one for one in readers if one.claims(path)), None)


def _logs(folder: Path, readers: Sequence[Reader]) -> Iterator[tuple[Path, Reader]]:
    """The logs below a folder, each with its reader; nothing within one is a log again."""
    looked = 0
    queue = [(folder, 0)]
    while queue:
        place, depth = queue.pop(0)
        for inner in sorted(place.iterdir()):
            looked += 1
            if looked > _MOST:
                raise FileError(
                    f"{folder} holds more than {_MOST:,} files; name the folder of the runs."
                )
            if inner.name.startswith(".") or inner.is_symlink():
                continue
            reader = _reader_of(inner, readers)
            if reader is not None and not _other_table(inner, reader):
                yield inner, reader
                if inner.is_dir() and reader is TENSORBOARD and depth < _DEEPEST:
                    queue += [(one, depth + 1) for one in sorted(inner.iterdir()) if one.is_dir()]
            elif inner.is_dir() and depth < _DEEPEST:
                queue.append((inner, depth + 1))


def _other_table(path: Path, reader: Reader) -> bool:
    """Whether a plain table found in a folder is no log: most tables of the world are not."""
    if reader.read is not read_csv or reader is KERAS:
        return False
    try:
        return not Names().columns(header_of(path), str(path))
    except FileError:
        return True
