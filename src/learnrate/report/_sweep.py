"""A sweep in the terminal: a plot of final loss against rate, and a table."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate.report._terminal import _table, _text
from learnrate.report._text_plot import TextPlot, show_plot

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from learnrate.sweeping import Sweep, SweptTrial

__all__ = ["show_sweep"]


def show_sweep(console: Console, sweep: Sweep) -> None:
    """Print a sweep: the losses over the rates with their range, the best rate, and how it ran."""
    whole = np.isfinite(sweep.losses).all(axis=1)
    if whole.sum() > 1:
        show_plot(console, _plot(sweep, whole))
    console.print(_rates_table(console, sweep))
    _show_answer(console, sweep)
    for trial in sweep.failed:
        said = f"failed at rate {rate_text(trial.lr)}, seed {trial.seed}: {trial.curve.error}"
        console.print(_text(console, (said, "red")))
    console.print(_text(console, (_how(sweep), "dim")))
    for note in sweep.notes:
        console.print(_text(console, (note, "dim")))


def _show_answer(console: Console, sweep: Sweep) -> None:
    if sweep.best is None or sweep.low is None or sweep.high is None:
        console.print(_text(console, (sweep.advice, "bold yellow")))
        return
    ends = f"   80 % interval {rate_text(sweep.low, 2)} to {rate_text(sweep.high, 2)}"
    console.print(_text(console, ("best  ", ""), (rate_text(sweep.best), "bold cyan"), (ends, "")))
    if sweep.advice:
        console.print(_text(console, (sweep.advice, "bold yellow")))


def _how(sweep: Sweep) -> str:
    counted = " and ".join(
        f"{len(sweep.at_length(length))} trials of {length:,} updates" for length in sweep.lengths
    )
    known = f", {sweep.resumed} of them known from before" if sweep.resumed else ""
    return f"{counted}{known}. Engine {sweep.engine}: {sweep.choice.reason}"


def _plot(sweep: Sweep, whole: np.ndarray) -> TextPlot:
    rates, losses = sweep.lrs[whole], sweep.losses[whole]
    plot = TextPlot("peak learning rate", "final loss (mean, lowest and highest seed)", log_x=True)
    plot.lines.append((rates, losses.mean(axis=1)))
    if losses.shape[1] > 1:
        plot.lines.extend([(rates, losses.min(axis=1)), (rates, losses.max(axis=1))])
    lowest = float(losses.min())
    highest = min(float(losses.max()), lowest + 3 * (float(np.median(losses)) - lowest))
    if highest > lowest:
        plot.y_limits = lowest, highest
    if sweep.best is not None and rates[0] <= sweep.best <= rates[-1]:
        plot.marks.append((sweep.best, "yellow"))
    return plot


def _rates_table(console: Console, sweep: Sweep) -> Table:
    """Every rate with the longest of its trials."""
    table = _table(console, "rate", "mean loss", "lowest", "highest", "trials")
    nearest = None
    if sweep.best is not None:
        nearest = sweep.lrs[np.argmin(np.abs(np.log(sweep.lrs) - np.log(sweep.best)))]
    longest: dict[float, list[SweptTrial]] = {}
    for length in sweep.lengths:
        for rate, own in itertools.groupby(sweep.at_length(length), lambda trial: trial.lr):
            longest[rate] = list(own)
    for rate, trials in sorted(longest.items()):
        losses = [trial.loss for trial in trials if trial.loss is not None]
        figures = [np.mean(losses), min(losses), max(losses)] if losses else []
        cells = [f"{figure:.4g}" for figure in figures] or ["-"] * 3
        style = "bold cyan" if rate == nearest else None
        table.add_row(rate_text(rate), *cells, _ends(trials, sweep.total_steps), style=style)
    return table


def _ends(trials: list[SweptTrial], total_steps: int) -> str:
    """How the trials of one rate ended: their number, or how many of each kind."""
    length = trials[0].total_steps
    dropped = f" of {length:,} updates" if length < total_steps else ""
    counts = Counter(str(trial.status) for trial in trials)
    if set(counts) == {"finished"}:
        return f"{len(trials)}{dropped}"
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) + dropped
