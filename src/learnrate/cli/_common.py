"""Arguments and output that the commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from learnrate._errors import FileError
from learnrate._files import check_writable, write_bytes
from learnrate._ranks import is_first_rank

if TYPE_CHECKING:
    from rich.console import Console

    from learnrate.task import Task

__all__ = [
    "JsonOption",
    "PictureOption",
    "RunArgument",
    "SeedOption",
    "ShapeOption",
    "StartOption",
    "StoreOption",
    "TaskArgument",
    "TotalStepsOption",
    "console",
    "output_file",
    "picture_file",
    "print_json",
    "reserve_stdout",
    "save_picture",
    "task_from",
]

_PICTURE_FORMATS = ("png", "svg", "pdf", "jpg", "jpeg", "webp", "tif", "tiff", "eps", "ps")

TaskArgument = Annotated[str, Argument(metavar="TASK", help="file.py:name or module:name")]
TotalStepsOption = Annotated[
    int | None,
    Option(
        "--total-steps", help="Optimizer updates of a whole run; those of the task by default."
    ),
]
StartOption = Annotated[
    Path | None,
    Option(
        "--start",
        help="A checkpoint to start from: a state_dict, or {model: ..., optimizer: ...}.",
        show_default=False,
    ),
]
ShapeOption = Annotated[
    str,
    Option(
        "--shape", help="The schedule's shape, with peak 1; its lengths are shares of the run."
    ),
]
SeedOption = Annotated[int, Option("--seed", help="The same seed gives the same result.")]
JsonOption = Annotated[
    bool, Option("--json", help="Print only one JSON object on standard output.")
]
RunArgument = Annotated[
    str,
    Argument(
        metavar="RUN", help="A run's id, the beginning of an id, or last for the newest run."
    ),
]
StoreOption = Annotated[
    str | None,
    Option(
        "--store",
        help="A file or postgresql:// URL; $LEARNRATE_STORE or ./learnrate.db by default.",
        show_default=False,
    ),
]


def task_from(spec: str, start: Path | None) -> Task:
    """Load the task that TASK names; it starts from a checkpoint if `start` is given."""
    from learnrate.task import load_task  # noqa: PLC0415 - loads torch, which --help does not need

    loaded = load_task(spec)
    return loaded if start is None else loaded.starting_from(start)


def print_json(document: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Print a JSON object, or a list of objects."""
    typer.echo(json.dumps(document, allow_nan=False))


def console() -> Console:
    """Formatted standard output."""
    from rich.console import Console  # noqa: PLC0415 - slow to load, and not for --json

    return Console()


@contextmanager
def reserve_stdout() -> Iterator[None]:
    """Reserve standard output for the result: what the user's code prints goes to standard error.

    This holds on every rank, including those whose own output is silenced.
    """
    user_output = sys.stderr if is_first_rank() else sys.__stderr__
    with redirect_stdout(user_output), redirect_stderr(user_output):
        yield


def output_file(path: Path | None) -> Path | None:
    """The path of an option that names a file to write; refused before the work is done.

    Raises:
        FileError: the file cannot be written.
    """
    if path is not None:
        check_writable(path)
    return path


def picture_file(path: Path | None) -> Path | None:
    """The path of an option that names a picture to write; see `output_file`.

    Raises:
        FileError: no picture has this suffix, or the file cannot be written.
    """
    if path is not None and _picture_format(path) not in _PICTURE_FORMATS:
        raise FileError(
            f"{path} must end in .{', .'.join(_PICTURE_FORMATS)}; got {path.suffix!r}. "
            "A name without a suffix is a PNG file."
        )
    return output_file(path)


PictureOption = Annotated[
    Path | None, Option("--png", help="Save the picture to this file.", callback=picture_file)
]


def save_picture(figure: Any, path: Path) -> None:
    """Save a matplotlib figure in the format of its suffix, PNG if it has none.

    Raises:
        FileError: the file cannot be written.
    """
    picture = BytesIO()
    figure.savefig(picture, format=_picture_format(path), dpi=150, bbox_inches="tight")
    write_bytes(path, picture.getvalue())


def _picture_format(path: Path) -> str:
    return path.suffix[1:].lower() or "png"
