"""The rules of muP, a coordinate check and sweeps over widths, in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._chart import describe
from learnrate._numbers import rate_text
from learnrate.report._terminal import encoded_text, new_table
from learnrate.report._text_plot import show_plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from learnrate.transfer import CoordinateCheck, ParameterRow, Power, WidthSweeps

__all__ = ["show_coordinate_check", "show_parameter_rows", "show_width_sweeps"]

_STYLES = {"holds": "bold green", "breaks": "bold red", "cannot be judged": "bold yellow"}


def show_coordinate_check(console: Console, check: CoordinateCheck) -> None:
    """Print the powers of the width of every layer, and the verdict.

    Args:
        console: the console to print on.
        check: the coordinate check.
    """
    table = new_table(console, "layer", "first output", "own updates", "whole change")
    for layer in check.layers:
        cells = [_power(layer.powers.get(name)) for name in ("start", "update", "change")]
        table.add_row(encoded_text(console, (layer.layer, "")), *cells)
    console.print(
        "powers of the width; 0 means unchanged, and up to 1/4 in either direction is tolerated"
    )
    console.print(table)
    _show_verdict(console, str(check.verdict), check.reason)
    _show_notes(console, check.notes)


def show_width_sweeps(console: Console, sweeps: WidthSweeps) -> None:
    """Print the best rate at every width, and whether it stays the same.

    Args:
        console: the console to print on.
        sweeps: the sweeps over widths.
    """
    show_plot(console, describe(sweeps).panels[0])
    table = new_table(console, "width", "best rate", "80 % interval", "lowest loss")
    for part in sweeps.sweeps:
        interval = "-"
        if part.low is not None and part.high is not None:
            interval = f"{rate_text(part.low, 2)} .. {rate_text(part.high, 2)}"
        table.add_row(
            f"{part.width:,}",
            rate_text(part.best, 2) if part.best is not None else "-",
            interval,
            f"{float(part.losses.mean(axis=1).min()):.4g}",
        )
    console.print(table)
    _show_verdict(console, str(sweeps.verdict), sweeps.reason)
    if sweeps.cost is not None:
        first, last = sweeps.sweeps[0], sweeps.sweeps[-1]
        console.print(
            f"The best rate of width {first.width:,} costs {100 * sweeps.cost:.1f} % of the lowest "
            f"loss at width {last.width:,}."
        )


def show_parameter_rows(
    console: Console, rows: Sequence[ParameterRow], notes: Sequence[str]
) -> None:
    """Print the factors of every parameter's rate, weight decay and initial scale.

    Args:
        console: the console to print on.
        rows: one for each parameter, or for several that are alike.
        notes: sentences for the user.
    """
    table = new_table(
        console, "parameter", "role", "rate", "weight decay", "epsilon", "initial scale"
    )
    for row in rows:
        factors = (row.lr, row.weight_decay, row.eps, row.init)
        table.add_row(
            encoded_text(console, (row.name, "")),
            row.role,
            *(f"x {factor:.4g}" for factor in factors),
        )
    console.print(table)
    _show_notes(console, notes)


def _power(power: Power | None) -> str:
    return "-" if power is None else f"{power.value:+.2f} ({power.low:+.2f} .. {power.high:+.2f})"


def _show_verdict(console: Console, verdict: str, reason: str) -> None:
    console.print(
        encoded_text(console, ("verdict  ", ""), (verdict, _STYLES[verdict]), (f"   {reason}", ""))
    )


def _show_notes(console: Console, notes: Sequence[str]) -> None:
    for note in notes:
        console.print(encoded_text(console, (note, "dim")))
