"""`learnrate runs`: what a store holds."""

from __future__ import annotations

from learnrate.cli._common import JsonOption, StoreOption, console, print_json

__all__ = ["runs"]


def runs(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the runs of a store, the newest first.

    A run that gives no sign of life, because its process was killed, is shown as lost.

    [dim]learnrate runs --json[/dim]
    """
    from learnrate.store import Store  # noqa: PLC0415 - loads SQLAlchemy, which --help does not need

    found = Store(store, create=False).runs()
    if as_json:
        print_json([run.to_dict() for run in found])
        return
    from learnrate.report import show_runs  # noqa: PLC0415 - not for --json

    show_runs(console(), found)
