"""The runs of a store, or one of them, in the terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from learnrate._numbers import rate_text
from learnrate.report._findings import list_findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from learnrate.store import StoredEdit, StoredRun
    from learnrate.watch import Finding

__all__ = ["show_run", "show_runs"]

_STYLES = {"running": "bold cyan", "finished": "green", "diverged": "bold red", "failed": "red"}


def show_runs(console: Console, runs: Sequence[StoredRun]) -> None:
    """Print a table with one row for each run."""
    from rich.table import Table  # noqa: PLC0415 - slow to load
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    table.add_column("run", no_wrap=True)
    table.add_column("name")
    table.add_column("status", no_wrap=True)
    for name in ("step", "total_steps", "lr", "loss", "started"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(
            Text(run.id, "bold"),
            Text(run.name),
            Text(str(run.status), _STYLES.get(str(run.status), "yellow")),
            f"{run.step:,}",
            "" if run.total_steps is None else f"{run.total_steps:,}",
            "" if run.lr is None else rate_text(run.lr),
            "" if run.loss is None else f"{run.loss:.4g}",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started)),
        )
    console.print(table if runs else "no runs yet")


def show_run(
    console: Console, run: StoredRun, edits: Sequence[StoredEdit], findings: Sequence[Finding]
) -> None:
    """Print the schedule of a run, its edits and its findings.

    Args:
        console: where to print.
        run: the run.
        edits: the edits that were requested, by their sequence.
        findings: what was found in the run.
    """
    from rich.text import Text  # noqa: PLC0415 - slow to load

    console.print()
    console.print(Text(f"schedule  {run.schedule or 'of another scheduler'}"))
    for edit in edits:
        where = "" if edit.step is None else f" at step {edit.step:,}"
        group = "" if edit.group is None else f" for group {edit.group}"
        requested = time.strftime("%H:%M:%S", time.localtime(edit.time))
        console.print(
            Text(f"E{edit.sequence} {edit.words}", "bold").append(
                f"{group}: {edit.status}{where}; requested by {edit.author} at {requested}"
                f"{f', {edit.reason}' if edit.reason else ''}"
                f"{f'; {edit.answer}' if edit.answer else ''}",
                "not bold",
            )
        )
    list_findings(console, findings)
