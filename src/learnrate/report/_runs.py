"""The runs of a store, or one of them, in the terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from learnrate._not_trained import not_trained_line
from learnrate._numbers import rate_text
from learnrate.report._findings import list_findings
from learnrate.watch import unit_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from learnrate.store import ListedRun, RunGroup, StoredEdit, StoredRun
    from learnrate.watch import Finding

__all__ = ["show_run", "show_runs"]

_WIDE = 96  # columns of a terminal from which on every column has its full width
_NAME = 12  # columns of a name at least; a longer one is folded
_USUAL = ("status", "step", "total_steps", "lr", "loss", "started")
_IF_USED = ("lowest_validation", "findings", "tags")  # listed if the terminal is wide enough
_STYLES = {"running": "bold cyan", "finished": "green", "diverged": "bold red", "failed": "red"}


def show_runs(
    console: Console,
    runs: Sequence[ListedRun],
    columns: Sequence[str] = (),
    groups: Mapping[str, RunGroup] | None = None,
) -> None:
    """Print a table with one row for each run, or one for each group.

    Args:
        console: the console to print on.
        runs: the runs of the list.
        columns: fields and facts to print after the run and its name; the usual ones if empty.
        groups: the groups of the runs, by their headings; each has its own table.
    """
    for heading, group in (groups or {}).items():
        lowest = group.lowest("lowest_validation"), group.lowest("lowest_loss")
        words = [f"{len(group.runs)} run{'s' if len(group.runs) != 1 else ''}"]
        words += [
            f"{name} {value:.4g}"
            for name, value in zip(("lowest validation", "lowest loss"), lowest, strict=True)
            if value is not None
        ]
        console.print(f"\n{heading}: {', '.join(words)}", style="bold", markup=False)
        console.print(_table(console, group.runs, columns))
    if groups is None:
        console.print(_table(console, runs, columns) if runs else "no runs yet")


def _table(console: Console, runs: Sequence[ListedRun], columns: Sequence[str]) -> Table:
    from rich.table import Table  # noqa: PLC0415 - slow to load
    from rich.text import Text  # noqa: PLC0415

    is_narrow = console.width < _WIDE
    fields = list(columns) or [*_USUAL, *(() if is_narrow else _used(runs, _IF_USED))]
    table = Table(box=None, pad_edge=False)
    table.add_column("run", no_wrap=True)
    table.add_column("name", overflow="fold", min_width=_NAME)
    for field in fields:
        heading = field.replace("_", "\n") if is_narrow or field.startswith("lowest") else field
        is_text = any(isinstance(listed_run.value(field), str) for listed_run in runs)
        justify: Literal["left", "right"] = "left" if is_text else "right"
        table.add_column(heading, justify=justify, no_wrap=field in _USUAL, overflow="fold")
    for listed_run in runs:
        run = listed_run.run
        pinned = "* " if run.pinned else ""
        cells = [_cell(listed_run, field, is_narrow=is_narrow) for field in fields]
        styled = [
            Text(cell, _STYLES.get(cell, "yellow") if field == "status" else "")
            for field, cell in zip(fields, cells, strict=True)
        ]
        table.add_row(Text(run.id, "bold"), Text(f"{pinned}{run.name}"), *styled)
    return table


def _used(runs: Sequence[ListedRun], fields: Sequence[str]) -> list[str]:
    """The fields of which some run has a value."""
    return [field for field in fields if any(run.value(field) not in (None, "") for run in runs)]


def _cell(listed_run: ListedRun, field: str, *, is_narrow: bool) -> str:
    from learnrate.store import value_text  # noqa: PLC0415 - loads SQLAlchemy

    value = listed_run.value(field)
    if field in {"started", "updated"}:
        date = "%m-%d %H:%M" if is_narrow else "%Y-%m-%d %H:%M"
        return time.strftime(date, time.localtime(value))
    if field == "lr" and value is not None:
        return rate_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if field in {"step", "total_steps"} else str(value)
    return value_text(value)


def show_run(
    console: Console,
    run: StoredRun,
    edits: Sequence[StoredEdit],
    findings: Sequence[Finding],
    rates: Mapping[str, float] | None = None,
) -> None:
    """Print the schedule of a run, its edits and its findings.

    Args:
        console: the console to print on.
        run: the run.
        edits: the edits that were requested, by their sequence.
        findings: what was found in the run.
        rates: the last rate of each parameter group by its column, such as `lr[0]`; None if all
            groups have one rate.
    """
    from rich.text import Text  # noqa: PLC0415 - slow to load

    unit = unit_of(run.facts)
    console.print()
    console.print(
        Text(f"schedule  {run.schedule or run.facts.get('deadline') or 'of another scheduler'}")
    )
    if rates:
        console.print(Text(f"rates     {_rates_text(rates)}"))
    not_trained = not_trained_line(run.facts)
    if not_trained:
        console.print(Text(not_trained))
    for edit in edits:
        where = "" if edit.step is None else f" at {unit} {edit.step:,}"
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
    list_findings(console, findings, unit)


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
