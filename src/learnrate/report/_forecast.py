"""Predicted losses in the terminal: a plot, and a table of the last losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._chart import describe
from learnrate.report._terminal import encoded_text, new_table
from learnrate.report._text_plot import show_plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from learnrate.forecasting import LossLaw, PredictedLoss

__all__ = ["show_forecast"]


def show_forecast(console: Console, law: LossLaw, predictions: Sequence[PredictedLoss]) -> None:
    """Print a plot of the expected losses, and the last loss of every schedule and run.

    Args:
        console: the console to print on.
        law: what the predictions were made with.
        predictions: the loss of each schedule.
    """
    (panel,) = describe(law, predictions).panels
    show_plot(console, panel)
    table = new_table(
        console, "schedule or run", "steps", "last loss", "80 % interval", wrap_first=True
    )
    for predicted in predictions:
        table.add_row(
            encoded_text(console, (predicted.schedule, "cyan")),
            f"{predicted.step[-1]:,}",
            f"{predicted.loss[-1]:.4g}",
            f"{predicted.low[-1]:.4g} to {predicted.high[-1]:.4g}",
        )
    for curve in law.curves:
        table.add_row(
            encoded_text(console, (f"run {curve.name}", "")),
            f"{len(curve.lr):,}",
            f"{curve.last_loss:.4g}",
            "measured",
        )
    console.print(table)
