"""The runs of a store, or one of them, in the terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from learnrate._numbers import rate_text
from learnrate.report._findings import list_findings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from learnrate.store import StoredEdit, StoredRun
    from learnrate.watch import Finding

__all__ = ["show_run", "show_runs"]

_WIDE = 96  # columns of a terminal from which on every column has its full width
_NAME = 12  # columns of a name at least; a longer one is folded
_STYLES = {"running": "bold cyan", "finished": "green", "diverged": "bold red", "failed": "red"}


def show_runs(console: Console, runs: Sequence[StoredRun]) -> None:
    """Print a table with one row for each run."""
    from rich.table import Table  # noqa: PLC0415 - slow to load
    from rich.text import Text  # noqa: PLC0415

    is_narrow = console.width < _WIDE
    date = "%m-%d %H:%M" if is_narrow else "%Y-%m-%d %H:%M"
    table = Table(box=None, pad_edge=False)
    table.add_column("run", no_wrap=True)
    table.add_column("name", overflow="fold", min_width=_NAME)
    table.add_column("status", no_wrap=True)
    total_steps = "total\nsteps" if is_narrow else "total_steps"
    for name in ("step", total_steps, "lr", "loss", "started"):
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
            time.strftime(date, time.localtime(run.started)),
        )
    console.print(table if runs else "no runs yet")


def show_run(
    console: Console,
    run: StoredRun,
    edits: Sequence[StoredEdit],
    findings: Sequence[Finding],
    rates: Mapping[str, float] | None = None,
) -> None:
    """Print the schedule of a run, its edits and its findings.

    Args:
        console: where to print.
        run: the run.
        edits: the edits that were requested, by their sequence.
        findings: what was found in the run.
        rates: the last rate of each parameter group by its column, such as `lr[0]`; None if all
            groups have one rate.
    """
    from rich.text import Text  # noqa: PLC0415 - slow to load

    console.print()
    console.print(Text(f"schedule  {run.schedule or 'of another scheduler'}"))
    if rates:
        console.print(Text(f"rates     {_rates_text(rates)}"))
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


def _rates_text(rates: Mapping[str, float]) -> str:
    """The rates of groups in order; neighbours with one rate together."""
    spans: list[tuple[int, int, float]] = []
    for group, rate in enumerate(rates.values()):
        if spans and spans[-1][2] == rate:
            spans[-1] = (spans[-1][0], group, rate)
        else:
            spans.append((group, group, rate))
    return ", ".join(
        f"{rate_text(rate)} (group {first})"
        if first == last
        else f"{rate_text(rate)} (groups {first} to {last})"
        for first, last, rate in spans
    )
