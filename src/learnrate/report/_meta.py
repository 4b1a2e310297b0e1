"""Meta-learning in the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._numbers import rate_text
from learnrate.report._terminal import encoded_text, new_table
from learnrate.report._words import count_text

if TYPE_CHECKING:
    from rich.console import Console

    from learnrate.meta import MetaSweep, MetaTrained

__all__ = ["show_meta_sweep", "show_meta_trained", "show_theory"]


def show_meta_sweep(console: Console, sweep: MetaSweep) -> None:
    """Print the loss over both rates, the best pair, and what diverged."""
    heads = [f"adapt {rate_text(float(rate))}" for rate in sweep.adapt_lrs]
    table = new_table(console, "inner_lr", *heads)
    lowest = float(np.min(sweep.mean))
    for rate, losses in zip(sweep.inner_lrs, sweep.mean, strict=True):
        cells = [
            encoded_text(console, ("-" if not np.isfinite(loss) else f"{loss:.4g}",
                            "bold cyan" if loss == lowest else ""))
            for loss in losses
        ]  # fmt: skip
        table.add_row(rate_text(float(rate)), *cells)
    console.print(table)
    if sweep.best is not None:
        inner, adapt = sweep.best.inner_lr, sweep.best.adapt_lr
        console.print(
            encoded_text(
                console,
                ("best inner_lr  ", ""),
                (rate_text(inner.best), "bold cyan"),
                (
                    f"   80 % interval {rate_text(inner.low, 2)} to {rate_text(inner.high, 2)}\n",
                    "",
                ),
                ("best adapt_lr  ", ""),
                (rate_text(adapt.best), "bold cyan"),
                (f"   80 % interval {rate_text(adapt.low, 2)} to {rate_text(adapt.high, 2)}", ""),
            )
        )
    if sweep.advice:
        console.print(encoded_text(console, (sweep.advice, "bold yellow")))
    for failure in sweep.failures:
        console.print(encoded_text(console, (failure, "red")))
    seeds = sweep.losses.shape[2]
    resumed_text = f", {sweep.resumed} from an earlier run" if sweep.resumed else ""
    trials = len(sweep.inner_lrs) * seeds
    summary = f"{trials} meta-trainings of {sweep.steps:,} updates, {count_text(seeds, 'seed')}{resumed_text}."
    console.print(encoded_text(console, (summary, "dim")))


def show_meta_trained(console: Console, trained: MetaTrained) -> None:
    """Print the loss after adaptation, and the learned rates below 0."""
    parts = [
        (f"{trained.status}", "bold"),
        (f" after {count_text(len(trained.losses), 'meta-update')}", ""),
    ]
    if math.isfinite(trained.loss):
        parts += [
            ("; test loss ", ""),
            (f"{trained.loss:.4g}", "bold cyan"),
            (f" +- {trained.error:.2g}" if math.isfinite(trained.error) else "", ""),
        ]
    if trained.metric is not None:
        parts.append((f", metric {trained.metric:.4g}", ""))
    console.print(encoded_text(console, *parts))
    if not trained.negative:
        return
    last = trained.negative[-1].step
    table = new_table(console, "learned rates of", "below 0", "of", "mean")
    for share in trained.negative:
        if share.step == last:
            table.add_row(share.layer, str(share.negative), str(share.count), f"{share.mean:.3g}")
    console.print(table)


def show_theory(console: Console, answer: dict[str, Any]) -> None:
    """Print the optima and losses of the formula, with the simulation's beside them."""
    drawn = answer.get("simulated")
    table = new_table(console, answer["regime"], "formula", *(["simulated"] if drawn else []))
    rows: list[tuple[str, Any, Any]] = []
    for word in ("best", "worst"):
        simulation = None if drawn is None else drawn["inner_lr"]
        simulated_result = (
            None if simulation is None else (simulation[word], simulation[f"{word}_error"])
        )
        rows.append((f"{word} inner_lr", answer["inner_lr"][word], simulated_result))
    inner_lr = answer["adapt_lr"]["at_inner_lr"]
    simulated_result = None if drawn is None else (drawn["adapt_lr"]["best"], None)
    rows.append(
        (f"best adapt_lr, inner_lr {inner_lr:g}", answer["adapt_lr"]["best"], simulated_result)
    )
    for word, loss in answer["loss"].items():
        simulation = None if drawn is None else drawn["loss"][word]
        simulated_result = (
            None if simulation is None else (simulation["mean"], simulation["error"])
        )
        rows.append((f"loss at inner_lr {word}", loss, simulated_result))
    for name, formula, simulated in rows:
        cells = ["any" if formula is None else f"{formula:.4f}"]
        if simulated is not None:
            value, error = simulated
            cells.append(f"{value:.4f}" + ("" if error is None else f" +- {error:.4f}"))
        table.add_row(name, *cells)
    console.print(table)
    if drawn is not None:
        gain = drawn["gain"]
        summary = (
            f"loss at inner_lr {gain['inner_lr']:g} less that at {gain['over']:g}, run by run: "
            f"{gain['mean']:.4f} +- {gain['error']:.4f} over {drawn['runs']:,} runs"
        )
        console.print(encoded_text(console, (summary, "")))
