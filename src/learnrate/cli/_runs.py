"""`learnrate runs`: list the runs of a store, or show one with its edits and findings."""

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
            help="A run's id, the beginning of an id, or last: show its edits and findings too.",
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs of a store, the newest first; or show one with its edits and findings.

    A run whose process was killed is shown as lost.

    [dim]learnrate runs --json[/dim]

    [dim]learnrate runs last[/dim]
    """
    from learnrate.store import Store  # noqa: PLC0415 - loads SQLAlchemy, which --help does not need

    opened = Store(store, create=False)
    stored = opened.runs() if run is None else [opened.run(run)]
    edits = [] if run is None else opened.edits(stored[0].id)
    findings = [] if run is None else opened.findings(stored[0].id)
    if as_json:
        listed = [stored_run.to_dict() for stored_run in stored]
        if run is not None:
            listed[0]["schedule"] = None if stored[0].schedule is None else str(stored[0].schedule)
            listed[0]["edits"] = [edit.to_dict() for edit in edits]
            listed[0]["findings"] = [finding.to_dict() for finding in findings]
        print_json(listed)
        return
    from learnrate.report import show_run, show_runs  # noqa: PLC0415 - not for --json

    show_runs(console(), stored)
    if run is not None:
        show_run(console(), stored[0], edits, findings)
