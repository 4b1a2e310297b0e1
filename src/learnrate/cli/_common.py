"""Arguments and output that the commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learnrate._errors import FileError
from learnrate._ranks import is_first_rank

if TYPE_CHECKING:
    from rich.console import Console

    from learnrate.task import Task

__all__ = [
    "JsonOption",
    "RunArgument",
    "SeedOption",
    "ShapeOption",
    "StartOption",
    "StoreOption",
    "TaskArgument",
    "TotalStepsOption",
    "console",
    "print_json",
    "reserve_stdout",
    "save_picture",
    "task_from",
]

TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="file.py:name or module:name")]
TotalStepsOption = Annotated[
    int | None,
    typer.Option(
        "--total-steps", help="Optimizer updates of a whole run; those of the task by default."
    ),
]
StartOption = Annotated[
    Path | None,
    typer.Option(
        "--start",
        help="A checkpoint to start from: a state_dict, or {model: ..., optimizer: ...}.",
        show_default=False,
    ),
]
ShapeOption = Annotated[
    str,
    typer.Option(
        "--shape", help="The schedule's shape, with peak 1; its lengths are shares of the run."
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed gives the same result.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print only one JSON object on standard output.")
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's id, the beginning of an id, or last for the newest run."
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
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


def save_picture(figure: Any, path: Path) -> None:
    """Save a matplotlib figure; of several ranks only the first does.

    Raises:
        FileError: matplotlib does not know the format, or the file cannot be written.
    """
    if not is_first_rank():
        return
    try:
        figure.savefig(path, dpi=150, bbox_inches="tight")
    except (OSError, ValueError) as error:
        raise FileError(f"--png {path} cannot be written: {error}.") from error
