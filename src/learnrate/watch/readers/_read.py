"""The runs in a file or a folder, whatever tool wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from learnrate._discovery import discover
from learnrate._errors import FileError, LearnrateError, MissingExtraError
from learnrate._files import check_readable
from learnrate.watch import readers as package
from learnrate.watch.readers._names import Names
from learnrate.watch.readers._reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from learnrate.watch._observations import Observations

__all__ = ["READERS", "read_runs"]

READERS: tuple[Reader, ...] = tuple(
    sorted(discover(package, "READER", Reader).values(), key=lambda reader: reader.any_tool)
)
"""The readers of every kind of log, in the order in which they are tried. A reader of another
package is passed along: `read_runs(path, readers=(MINE, *READERS))`."""

_MAX_DEPTH = 12
_MAX_FILES = 100_000  # looked at in a folder


def read_runs(
    path: Path | str,
    names: Names | None = None,
    *,
    readers: Sequence[Reader] = READERS,
    problem: Callable[[str], None] | None = None,
) -> list[Observations]:
    r"""The runs in a log, or in all logs of a folder.

    Args:
        path: a file or a folder. Files of a folder that no reader knows are skipped.
        names: the names of the series in the log; guessed by default.
        readers: the kinds of logs to look for.
        problem: is called with a sentence for each log of a folder that cannot be read. Without it
            the first such log raises an error, and so does a log given by its own path.

    Raises:
        FileError: the path does not exist, no reader knows it, or a log cannot be read.
        MissingExtraError: the package that reads this kind is not installed.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> log = Path(tempfile.mkdtemp()) / "log.csv"
        >>> _ = log.write_text("step,train_loss,lr\n0,2.0,0.1\n1,1.5,0.1\n")
        >>> [run.column("loss").tolist() for run in read_runs(log)]
        [[2.0, 1.5]]
    """
    path, names = Path(path), names or Names()
    check_readable(path)
    if not path.exists():
        raise FileError(f"{path} does not exist.")
    if path.is_fifo():
        raise FileError(
            f"{path} cannot be read: it is a pipe. Save what comes out of it to a file."
        )
    reader = _reader_of(path, readers)
    if reader is not None:
        return _read(reader, path, names)
    if not path.is_dir():
        if path.stat().st_size == 0:
            raise FileError(f"{path} is empty.")
        known = ", ".join(reader.name for reader in readers)
        raise FileError(
            f"{path} is not a log that can be read; the kinds are {known}. A table needs a header "
            "line, such as: step,loss,lr. Text needs a step and a loss in each line."
        )
    runs: list[Observations] = []
    logs = 0
    for log, reader in _logs(path, readers):
        logs += 1
        try:
            runs += _read(reader, log, names)
        except (FileError, MissingExtraError) as error:
            if problem is None:
                raise
            problem(str(error))
    if not runs:
        why = "none of its logs could be read" if logs else "it contains no log that can be read"
        raise FileError(f"{path} has no runs: {why}.")
    return runs


def _read(reader: Reader, path: Path, names: Names) -> list[Observations]:
    try:
        return reader.read(path, names)
    except LearnrateError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from error
    except Exception as error:  # one damaged log must not hide the others of its folder
        raise FileError(
            f"{path} cannot be read as {reader.name}: {type(error).__name__}: {error}"
        ) from error


def _reader_of(path: Path, readers: Sequence[Reader]) -> Reader | None:
    return next((reader for reader in readers if reader.recognises(path)), None)


def _logs(folder: Path, readers: Sequence[Reader]) -> Iterator[tuple[Path, Reader]]:
    """The logs below a folder, each with its reader."""
    looked_at = 0
    queue = [(folder, 0)]
    while queue:
        parent, depth = queue.pop(0)
        for path in sorted(parent.iterdir()):
            looked_at += 1
            if looked_at > _MAX_FILES:
                raise FileError(
                    f"{folder} contains more than {_MAX_FILES:,} files; name the folder of the "
                    "runs instead."
                )
            if path.name.startswith(".") or path.is_symlink():
                continue
            reader = _reader_of(path, readers)
            if reader is not None and reader.is_log(path):
                yield path, reader
                if path.is_dir() and reader.nested and depth < _MAX_DEPTH:
                    queue += [
                        (inner, depth + 1)
                        for inner in sorted(path.iterdir())
                        if inner.is_dir() and not reader.is_part(inner)
                    ]
            elif path.is_dir() and depth < _MAX_DEPTH:
                queue.append((path, depth + 1))
