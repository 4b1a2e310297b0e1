"""Functions of several commands: loading a task, and printing and saving results."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import BytesIO
from typing import TYPE_CHECKING, Any

import typer

from learnrate._files import write_bytes
from learnrate._ranks import is_first_rank
from learnrate.cli._options import picture_format

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from learnrate.task import Task

__all__ = [
    "command_group",
    "console",
    "print_json",
    "reserve_stdout",
    "resumable",
    "save_picture",
    "task_from",
]


def command_group(name: str, purpose: str) -> typer.Typer:
    """A command with commands of its own; without one it prints its help.

    Args:
        name: the name, as it is typed after `learnrate`.
        purpose: what its commands are for, in one sentence.
    """
    return typer.Typer(name=name, no_args_is_help=True, rich_markup_mode="rich", help=purpose)


def task_from(spec: str, start: Path | None) -> Task:
    """Load the task that TASK names; it starts from a checkpoint if `start` is given."""
    from learnrate.task import load_task  # noqa: PLC0415 - loads torch, which --help does not need

    loaded = load_task(spec)
    return loaded if start is None else loaded.starting_from(start)


def print_json(document: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Print a JSON object, or a list of objects."""
    typer.echo(json.dumps(document, allow_nan=False))


def console() -> Console:
    """A console that prints formatted text to standard output."""
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


@contextmanager
def resumable(out: Path | None, part: str = "trial") -> Iterator[None]:
    """Reserve standard output for the result; on Ctrl-C say what `out` has, and exit with 130.

    Args:
        out: the folder that keeps what has ended; None for none.
        part: what it keeps, in the singular.
    """
    try:
        with reserve_stdout():
            yield
    except KeyboardInterrupt:
        words = f"without --out no {part} is kept."
        if out is not None:
            words = f"finished {part}s are kept in {out}. Run the same command again to continue."
        typer.echo(f"interrupted; {words}", err=True)
        raise typer.Exit(130) from None


def save_picture(figure: Any, path: Path) -> None:
    """Save a matplotlib figure in the format of its suffix, PNG if it has none.

    Raises:
        FileError: the file cannot be written.
    """
    picture = BytesIO()
    figure.savefig(picture, format=picture_format(path), dpi=150, bbox_inches="tight")
    write_bytes(path, picture.getvalue())
