"""The command line: parse, one call of the library, print."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run `learnrate`; the exit status is 0, 1 for a job that failed, 2 for misuse."""
    from learnrate._errors import LearnrateError, needing  # noqa: PLC0415 - kept cheap
    from learnrate.cli._app import app  # noqa: PLC0415

    try:
        with needing("torch", "torch", "this command"):
            app()
    except LearnrateError as error:
        print(f"learnrate: {error}", file=sys.stderr)  # noqa: T201 - the command line prints
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)
