"""A plan of several rates, as a page and in the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from learnrate._numbers import rate_text
from learnrate.planning import HIGHEST_EXCESS, rates_panels
from learnrate.report._html import TRAIN_COMMAND, filled_in, whole_page
from learnrate.report._plotly import line_style, plotly_figure
from learnrate.report._terminal import VERDICT_STYLES, encoded_text, new_table

if TYPE_CHECKING:
    from markupsafe import Markup
    from rich.console import Console

    from learnrate.planning import RatesPlan
    from learnrate.report._plotly import PlotlyFigure
    from learnrate.sweeping import RatesSweep

__all__ = [
    "rates_plan_body",
    "rates_plan_figures",
    "rates_plan_page",
    "show_rates_plan",
    "show_rates_sweep",
]


def rates_plan_page(plan: RatesPlan, *, command: str = TRAIN_COMMAND) -> str:
    """The report of a plan of several rates as one HTML file that loads nothing.

    Args:
        plan: what to show.
        command: the shell command that trains with it.
    """
    rates = ", ".join(f"{rate.name} {rate_text(rate.lr)}" for rate in plan.rates)
    return whole_page(
        title=f"{plan.task}: {rates} (learnrate plan)",
        body=rates_plan_body(plan, command=command),
        figures=rates_plan_figures(plan),
    )


def rates_plan_figures(plan: RatesPlan) -> dict[str, PlotlyFigure]:
    """Every figure of the page of a plan of several rates, by the id of its place."""
    return {name: plotly_figure(panel) for name, panel in rates_panels(plan).items()}


def rates_plan_body(plan: RatesPlan, *, command: str = TRAIN_COMMAND) -> Markup:
    """The report of a plan of several rates as HTML without the frame of a page.

    Args:
        plan: what to show.
        command: the shell command that trains with it.
    """
    snippet = (
        "from learnrate.schedules import schedule\n"
        f'lr = schedule("{plan.schedule}")\n'
        f"ratios = {[float(f'{lr / max(plan.group_lrs):.4g}') for lr in plan.group_lrs]}\n"
        "for group, ratio in zip(groups, ratios):  # of all optimizers, in order\n"
        '    group["lr"] = ratio * lr(step)  # before each optimizer.step()'
    )
    return filled_in(
        "rates_plan.html",
        plan=plan,
        command=command,
        snippet=snippet,
        keys={"map": _key_of_map(plan), "schedule": _key_of_schedule(plan)},
        cost=_cost(plan),
    )


def _key_of_map(plan: RatesPlan) -> list[tuple[str, str, str]]:
    """The key of a map: colour, sign and meaning of each mark."""
    diverged = [("diverged", "▲", "a trial that diverged")]
    return [
        ("viridis", "", f"expected excess, 0 to over {100 * HIGHEST_EXCESS:.0f} %"),
        ("measured", "●", "a trial"),
        *(diverged if any(trial.loss is None for trial in plan.trials) else []),
        ("chosen", "★", "chosen rates, 80 % intervals"),
    ]


def _key_of_schedule(plan: RatesPlan) -> list[tuple[str, str, str]]:
    """The colour of each rate's schedule; there are at most three, so all lines are solid."""
    return [
        (str(line_style(number)[0]), "━", f"rate of {rate.name}")
        for number, rate in enumerate(plan.rates)
    ]


def show_rates_plan(console: Console, plan: RatesPlan) -> None:
    """Print a plan of several rates: the answer, what it cost, and why."""
    table = new_table(console, "rate of", "lr", "80 % interval", "costs below 1 %")
    for rate in plan.rates:
        table.add_row(
            encoded_text(console, (rate.name, "")),
            encoded_text(console, (rate_text(rate.lr), "bold cyan")),
            _range(rate.low, rate.high),
            _range(rate.tolerated_low, rate.tolerated_high),
        )
    console.print(encoded_text(console, (f"plan: {plan.task}", "bold")))
    console.print(table)
    verdict = str(plan.verdict)
    console.print(encoded_text(console, (f"schedule  {plan.schedule}", "")))
    console.print(encoded_text(console, ("verdict   ", ""), (verdict, VERDICT_STYLES[verdict])))
    console.print(encoded_text(console, (f"cost      {_cost(plan)}", "")))
    console.print(encoded_text(console, (f"\n{plan.reason}", "")))


def _range(low: float, high: float) -> str:
    return f"{rate_text(low, 2)} .. {rate_text(high, 2)}"


def _cost(plan: RatesPlan) -> str:
    return (
        f"{plan.cost_text}: {round(plan.cost * plan.total_steps):,} updates in "
        f"{len(plan.range_tests)} range tests and {len(plan.trials)} trials. The budget was "
        f"{plan.budget_reason}."
    )


def show_rates_sweep(console: Console, sweep: RatesSweep) -> None:
    """Print a sweep over two rates: the mean loss of every pair, and the best one."""
    first, second = sweep.lrs
    corner = f"{sweep.names[0]} \\ {sweep.names[1]}"
    table = new_table(console, corner, *(rate_text(lr, 3) for lr in second.tolist()))
    mean = sweep.losses.mean(axis=2)
    lowest = mean.min()
    for lr, row in zip(first.tolist(), mean.tolist(), strict=True):
        cells = [
            encoded_text(
                console,
                (
                    "-" if math.isinf(loss) else f"{loss:.4g}",
                    "bold cyan" if loss == lowest else "",
                ),
            )
            for loss in row
        ]
        table.add_row(rate_text(lr, 3), *cells)
    console.print(table)
    for name, rate in (sweep.best or {}).items():
        ends = f"   80 % interval {_range(rate.low, rate.high)}"
        console.print(
            encoded_text(
                console, (f"best {name}  ", ""), (rate_text(rate.best), "bold cyan"), (ends, "")
            )
        )
    if sweep.advice:
        console.print(encoded_text(console, (sweep.advice, "bold yellow")))
    for trial in sweep.failed:
        failure = f"failed at rates {trial.lrs}, seed {trial.seed}: {trial.curve.error}"
        console.print(encoded_text(console, (failure, "red")))
    resumed_text = f", {sweep.resumed} of them from an earlier run" if sweep.resumed else ""
    trials_text = f"{len(sweep.trials)} trials of {sweep.total_steps:,} updates{resumed_text}. Engine {sweep.engine}: "
    console.print(encoded_text(console, (f"{trials_text}{sweep.choice.reason}", "dim")))
    for note in sweep.notes:
        console.print(encoded_text(console, (note, "dim")))
