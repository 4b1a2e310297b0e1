"""`learnrate runs`: what a store holds, and what became of one run."""

from __future__ import annotations

from typing import Annotated

import typer

from learnrate.cli._common import JsonOption, StoreOption, console, print_json

__all__ = ["runs"]


def runs(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run's id, the beginning of one, or last: its edits and findings too.",
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs of a store, the newest first; or one with its edits and findings.

    A run that gives no sign of life, because its process was killed, is shown as lost.

    [dim]learnrate runs --json[/dim]

    [dim]learnrate runs last[/dim]
    """
    from learnrate.store import Store  # noqa: PLC0415 - loads SQLAlchemy, which --help does not need

    held = Store(store, create=False)
    found = held.runs() if run is None else [held.run(run)]
    edits = [] if run is None else held.edits(found[0].id)
    findings = [] if run is None else held.findings(found[0].id)
    if as_json:
        listed = [one.to_dict() for one in found]
        if run is not None:
            listed[0]["schedule"] = None if found[0].schedule is None else str(found[0].schedule)
            listed[0]["edits"] = [edit.to_dict() for edit in edits]
            listed[0]["findings"] = [finding.to_dict() for finding in findings]
        print_json(listed)
        return
    from learnrate.report import show_run, show_runs  # noqa: PLC0415 - not for --json

    show_runs(console(), found)
    if run is not None:
        show_run(console(), found[0], edits, findings)
