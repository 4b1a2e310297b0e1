"""The command line: parse the arguments, call the library, print the result."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["main"]


def main() -> None:
    """Run `learnrate`. The exit status is 0, 1 if a job failed, or 2 for wrong arguments."""
    from learnrate._errors import LearnrateError, LostRankError, needing  # noqa: PLC0415 - kept cheap
    from learnrate._ranks import rank_and_size  # noqa: PLC0415
    from learnrate.cli._app import app_for  # noqa: PLC0415

    _print_what_has_no_encoding()
    rank, size = rank_and_size()
    try:
        with needing("torch", "torch", "this command"), _silenced_unless_first(rank):
            if size > 1:
                from learnrate.trials import ranks  # noqa: PLC0415

                ranks()  # before the task is loaded: a DistributedSampler needs its rank
            app_for(sys.argv[1:])()
    except LearnrateError as error:
        name = f"learnrate, rank {rank}" if rank else "learnrate"
        print(f"{name}: {_printable(str(error))}", file=sys.stderr)  # noqa: T201 - it prints
        sys.exit(1 if isinstance(error, LostRankError) else 2)
    except BrokenPipeError:
        sys.exit(1)
    except UnicodeEncodeError as error:
        text = ascii(error.object)
        print(f"learnrate: {text} is not text in UTF-8.", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except OSError as error:  # a name that is too long, a full disk under standard output, ...
        if error.strerror is None:
            raise
        place = "" if error.filename is None else f"{error.filename}: "
        print(f"learnrate: {place}{error.strerror}.", file=sys.stderr)  # noqa: T201
        sys.exit(2)


def _print_what_has_no_encoding() -> None:
    """Print a character that the terminal cannot show as its number, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _printable(text: str) -> str:
    """A message without control characters, which may come from a file."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text
    )


@contextmanager
def _silenced_unless_first(rank: int) -> Iterator[None]:
    """Silence every rank except the first; errors that end a rank are printed outside the block."""
    if rank == 0:
        yield
        return
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        yield
