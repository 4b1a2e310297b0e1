"""`learnrate runs`: list the runs of a store, or show one with its edits and findings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from learnrate.cli._common import JsonOption, StoreOption, console, print_json

if TYPE_CHECKING:
    from learnrate.store import Store, StoredRun

__all__ = ["runs"]

_LAST_ROWS = 1000  # updates, among which the last rates are looked for


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
        show_run(console(), stored[0], edits, findings, _last_rates(opened, stored[0]))


def _last_rates(store: Store, run: StoredRun) -> dict[str, float]:
    """The last rate of each parameter group by its column; empty if all groups have one rate."""
    from learnrate.store import with_group_rates  # noqa: PLC0415 - loads SQLAlchemy

    points = with_group_rates(store.points(run.id, after=run.step - _LAST_ROWS), run.facts)
    columns = {name: rates for name, rates in points.columns.items() if name.startswith("lr[")}
    known = {
        name: [rate for rate in rates.tolist() if not math.isnan(rate)]
        for name, rates in columns.items()
    }
    return {name: rates[-1] for name, rates in known.items() if rates}
