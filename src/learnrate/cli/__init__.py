"""The command line: parse, one call of the library, print."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["main"]


def main() -> None:
    """Run `learnrate`; the exit status is 0, 1 for a job that failed, 2 for misuse."""
    from learnrate._errors import LearnrateError, LostRankError, needing  # noqa: PLC0415 - kept cheap
    from learnrate._ranks import rank_and_size  # noqa: PLC0415
    from learnrate.cli._app import app  # noqa: PLC0415

    rank, _ = rank_and_size()
    if rank > 0:  # the first one prints for all
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    try:
        with needing("torch", "torch", "this command"):
            app()
    except LearnrateError as error:
        name = f"learnrate, rank {rank}" if rank else "learnrate"
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - the command line prints
        sys.exit(1 if isinstance(error, LostRankError) else 2)
    except BrokenPipeError:
        sys.exit(1)
