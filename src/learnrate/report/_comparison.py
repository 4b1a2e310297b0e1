"""A comparison in the terminal: a table of the runs, and who ends lower."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.report._terminal import encoded_text, new_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from learnrate.comparing import ComparedMethod, Comparison, Difference

__all__ = ["show_comparison"]

_STYLES = {"lower": "bold green", "higher": "bold cyan"}  # by standing


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Print a comparison: final losses, differences from the planned rate, and their meaning."""
    console.print(_table(console, comparison))
    for difference in comparison.differences:
        style = _STYLES.get(difference.standing, "")
        console.print(encoded_text(console, (difference.reason, style)))
    for sentence in comparison.advice:
        console.print(encoded_text(console, (sentence, "dim")))
    for name, reason in comparison.left_out.items():
        console.print(encoded_text(console, (f"{name} was left out: {reason}", "dim")))


def _table(console: Console, comparison: Comparison) -> Table:
    title = "validation loss" if comparison.validated else "training loss"
    table = new_table(console, "method", "optimizer", title, "difference", "seconds")
    table.add_row(*_start(comparison.planned), "", _seconds(comparison.planned))
    methods = {other.name: other for other in comparison.others}
    for difference in comparison.differences:
        method = methods[difference.name]
        table.add_row(*_start(method), _mean(difference), _seconds(method))
    return table


def _start(method: ComparedMethod) -> tuple[str, str, str]:
    mean = method.mean_loss
    loss = "-" if mean is None else f"{mean:.4g}"
    return method.name, method.optimizer, loss


def _mean(difference: Difference) -> str:
    return "-" if difference.mean is None else f"{difference.mean:+.3g}"


def _seconds(method: ComparedMethod) -> str:
    """The mean time of a run, without its plan."""
    return f"{sum(run.seconds for run in method.runs) / len(method.runs):.2g}"
