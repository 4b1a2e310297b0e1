"""`learnrate replay`: the schedule of a run with its edits."""

from __future__ import annotations

import typer

from learnrate.cli._common import console, print_json
from learnrate.cli._options import JsonOption, RunArgument, StoreOption

__all__ = ["replay"]


def replay(run: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Print the schedule of a run with the edits that took effect.

    To train with it again, use learnrate train TASK --replay RUN.

    [dim]learnrate replay last --json[/dim]
    """
    from learnrate.steering import replayed  # noqa: PLC0415 - loads SQLAlchemy, which --help does not need
    from learnrate.store import Store  # noqa: PLC0415

    result = replayed(Store(store, create=False), run)
    if as_json:
        print_json(result.to_dict())
        return
    from learnrate.report import show_schedules  # noqa: PLC0415 - not for --json

    show_schedules(console(), [(str(result.schedule), result.lr)])
    for group, schedule in enumerate(result.groups):
        if schedule is not None:
            typer.echo(f"group {group}: {schedule}")
    for edit in result.edits:
        typer.echo(str(edit))
