"""A sweep in the terminal: a plot of final loss against rate, and a table."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from learnrate._chart import describe
from learnrate._numbers import rate_text
from learnrate.report._terminal import encoded_text, new_table
from learnrate.report._text_plot import show_plot

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from learnrate._chart import Panel
    from learnrate.sweeping import Sweep, SweptTrial

__all__ = ["show_sweep"]


def show_sweep(console: Console, sweep: Sweep) -> None:
    """Print a sweep: the losses over the rates with their range, the best rate, and how it ran."""
    is_finished = np.isfinite(sweep.losses).all(axis=1)
    if is_finished.sum() > 1:
        title = "final loss (mean, lowest and highest seed)"
        show_plot(console, _loss_panel(sweep, sweep.losses[is_finished]), title=title)
    console.print(_rates_table(console, sweep))
    _show_answer(console, sweep)
    for trial in sweep.failed:
        failure = f"failed at rate {rate_text(trial.lr)}, seed {trial.seed}: {trial.curve.error}"
        console.print(encoded_text(console, (failure, "red")))
    console.print(encoded_text(console, (_how_it_ran(sweep), "dim")))
    for note in sweep.notes:
        console.print(encoded_text(console, (note, "dim")))


def _show_answer(console: Console, sweep: Sweep) -> None:
    if sweep.best is None or sweep.low is None or sweep.high is None:
        console.print(encoded_text(console, (sweep.advice, "bold yellow")))
        return
    ends = f"   80 % interval {rate_text(sweep.low, 2)} to {rate_text(sweep.high, 2)}"
    if len(sweep.lrs) == 1:
        ends = ""
    console.print(
        encoded_text(console, ("best  ", ""), (rate_text(sweep.best), "bold cyan"), (ends, ""))
    )
    if sweep.advice:
        console.print(encoded_text(console, (sweep.advice, "bold yellow")))


def _how_it_ran(sweep: Sweep) -> str:
    counted = " and ".join(
        f"{len(sweep.at_length(length))} trials of {length:,} updates" for length in sweep.lengths
    )
    resumed_text = f", {sweep.resumed} of them from an earlier run" if sweep.resumed else ""
    return f"{counted}{resumed_text}. Engine {sweep.engine}: {sweep.choice.reason}"


def _loss_panel(sweep: Sweep, losses: np.ndarray) -> Panel:
    """The panel of the sweep; losses that explode are cut off."""
    panel = describe(sweep).panels[0]
    low = float(losses.min())
    high = min(float(losses.max()), low + 3 * (float(np.median(losses)) - low))
    return replace(panel, y=replace(panel.y, low=low, high=high)) if high > low else panel


def _rates_table(console: Console, sweep: Sweep) -> Table:
    """Every rate with the longest of its trials."""
    table = new_table(console, "rate", "mean loss", "lowest", "highest", "trials")
    nearest = None
    if sweep.best is not None:
        nearest = sweep.lrs[np.argmin(np.abs(np.log(sweep.lrs) - np.log(sweep.best)))]
    longest: dict[float, list[SweptTrial]] = {}
    for length in sweep.lengths:
        for rate, trials in itertools.groupby(sweep.at_length(length), lambda trial: trial.lr):
            longest[rate] = list(trials)
    for rate, of_rate in sorted(longest.items()):
        losses = [trial.loss for trial in of_rate if trial.loss is not None]
        figures = [np.mean(losses), min(losses), max(losses)] if losses else []
        cells = [f"{figure:.4g}" for figure in figures] or ["-"] * 3
        style = "bold cyan" if rate == nearest else None
        table.add_row(rate_text(rate), *cells, _ends(of_rate, sweep.total_steps), style=style)
    return table


def _ends(trials: list[SweptTrial], total_steps: int) -> str:
    """How the trials of one rate ended: their number, or how many of each kind."""
    length = trials[0].total_steps
    dropped = f" of {length:,} updates" if length < total_steps else ""
    counts = Counter(str(trial.status) for trial in trials)
    if set(counts) == {"finished"}:
        return f"{len(trials)}{dropped}"
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) + dropped
