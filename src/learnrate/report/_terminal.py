"""Results in the terminal: tables by rich, small plots by plotext, both loaded when used.

They print the same numbers without colour, without a terminal, and in an encoding that has only
ASCII.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._chart import Axis, Colour, Panel, Polyline, describe
from learnrate._numbers import rate_text
from learnrate.report import _words as words
from learnrate.report._text_plot import LINE_COLOURS, show_plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from learnrate.planning import Plan
    from learnrate.range_test import RangeTest
    from learnrate.trials import Curve

__all__ = [
    "VERDICT_STYLES",
    "encoded_text",
    "new_table",
    "show_curve",
    "show_plan",
    "show_range_test",
    "show_schedules",
]

VERDICT_STYLES = {"ok": "bold green", "weak": "bold yellow"}
_STATUS_STYLES = {"finished": "bold green", "interrupted": "bold yellow"}


def show_plan(console: Console, plan: Plan, *, command: str | None = None) -> None:
    """Print a plan: the answer, the rungs it rests on, what it cost, and why.

    Args:
        console: the console to print on.
        plan: what to print.
        command: the next shell command, printed if it is given.
    """
    from rich.panel import Panel  # noqa: PLC0415 - slow to load

    lines = encoded_text(
        console,
        ("peak      ", ""),
        (rate_text(plan.peak), "bold cyan"),
        (f"   80 % interval {rate_text(plan.low, 2)} to {rate_text(plan.high, 2)}\n", ""),
        (f"schedule  {plan.schedule}\n", ""),
        ("verdict   ", ""),
        (str(plan.verdict), VERDICT_STYLES[str(plan.verdict)]),
        (f"   {words.about_verdict(plan)}\n", ""),
        (f"cost      {words.about_cost(plan)}", ""),
    )
    title = encoded_text(console, (f"plan: {plan.task}", "bold"))
    console.print(Panel(lines, title=title, title_align="left", expand=False))
    console.print(_rungs_table(console, plan))
    console.print(encoded_text(console, (plan.reason, "")))
    for note in plan.notes:
        console.print(encoded_text(console, (note, "dim")))
    if command is not None:
        console.print(
            encoded_text(console, ("\nnext  ", "dim"), (command, "bold")), soft_wrap=True
        )


def _rungs_table(console: Console, plan: Plan) -> Table:
    table = new_table(console, "rung", "updates", "best rate", "80 % interval", "trials")
    for index, rung in enumerate(plan.rungs, 1):
        diverged = sum(trial.loss is None for trial in rung.trials)
        table.add_row(
            str(index),
            f"{rung.steps:,}",
            rate_text(rung.best, 2),
            f"{rate_text(rung.low, 2)} .. {rate_text(rung.high, 2)}",
            f"{len(rung.trials)}, {diverged} diverged" if diverged else str(len(rung.trials)),
        )
    table.add_row(
        "run",
        f"{plan.total_steps:,}",
        rate_text(plan.peak),
        f"{rate_text(plan.low, 2)} .. {rate_text(plan.high, 2)}",
        "",
        style="bold",
    )
    return table


def show_range_test(console: Console, test: RangeTest) -> None:
    """Print a range test: the curve with the suggestion marked, the rules, the reason."""
    if len(test.mean) > 1:
        line = test.suggestion is not None and (
            f" (dotted line: suggestion {rate_text(test.suggestion, 2)})"
        )
        show_plot(console, describe(test).panels[0], title=f"{test.loss_name}{line or ''}")
    if test.suggestion is None:
        console.print(encoded_text(console, ("no suggestion: ", "bold yellow"), (test.reason, "")))
        _show_usual_rate(console, test)
        return
    table = new_table(console, "rule", "rate")
    table.add_row("suggestion", rate_text(test.suggestion, 2), style="bold yellow")
    for name, lr in test.rules.items():
        table.add_row(name, "-" if lr is None else rate_text(lr, 2))
    if test.diverged_at is not None:
        table.add_row("diverged at", rate_text(test.diverged_at, 2), style="magenta")
    console.print(table)
    console.print(encoded_text(console, (f"suggestion: {test.reason}.", "")))
    console.print(encoded_text(console, (f"{test.zones}.", "")))
    _show_usual_rate(console, test)


def _show_usual_rate(console: Console, test: RangeTest) -> None:
    """Print the usual rate of the weights, if it is known."""
    if test.usual is not None:
        usual = test.usual
        sentence = (
            f"With such an optimizer and weights of this size, the best peak of a run is usually "
            f"{rate_text(usual.low, 2)} to {rate_text(usual.high, 2)}, {rate_text(usual.lr, 2)} in the "
            "median. This needs no training."
        )
        console.print(encoded_text(console, (sentence, "")))


def show_schedules(console: Console, schedules: Sequence[tuple[str, ArrayLike]]) -> None:
    """Print schedules given as (label, one rate per step): a plot, and their main values."""
    lines = []
    table = new_table(
        console, "schedule", "first", "peak", "at step", "last", "steps", wrap_first=True
    )
    for number, (label, values) in enumerate(schedules):
        rates = np.asarray(values, dtype=float)
        lines.append(Polyline(x=np.arange(len(rates)), y=rates, colour=number))
        peak_step = int(np.abs(rates).argmax())
        table.add_row(
            encoded_text(console, (label, LINE_COLOURS[number % len(LINE_COLOURS)])),
            rate_text(float(rates[0])),
            rate_text(float(rates[peak_step])),
            f"{peak_step:,}",
            rate_text(float(rates[-1])),
            f"{len(rates):,}",
        )
    show_plot(console, _step_panel("learning rate", lines))
    console.print(table)


def _step_panel(label: str, lines: Sequence[Polyline]) -> Panel:
    return Panel(x=Axis(label="step"), y=Axis(label=label), marks=tuple(lines))


def show_curve(console: Console, curve: Curve, label: str = "") -> None:
    """Print the loss of a training and how it ended.

    Args:
        console: the console to print on.
        curve: the training.
        label: the text of its schedule; "-" is printed if it is empty.
    """
    finite = curve.loss[np.isfinite(curve.loss)]
    if len(finite) > 1:
        line = Polyline(x=np.arange(len(finite)), y=_smooth(finite), colour=Colour.MEASURED)
        show_plot(console, _step_panel("training loss", [line]))
    table = new_table(
        console, "schedule", "status", "updates", "final loss", "validation", wrap_first=True
    )
    last = finite[-max(1, len(finite) // 10) :]
    status = str(curve.status)
    table.add_row(
        encoded_text(console, (label or "-", "")),
        encoded_text(console, (status, _STATUS_STYLES.get(status, "bold red"))),
        f"{curve.steps:,}",
        f"{last.mean():.4g}" if len(last) else "-",
        "-" if curve.validation is None else f"{curve.validation:.4g}",
    )
    console.print(table)
    if curve.error:
        console.print(encoded_text(console, (curve.error, "red")))
    if curve.note:
        console.print(encoded_text(console, (curve.note, "bold yellow")))


def _smooth(loss: np.ndarray) -> np.ndarray:
    """A running mean over about a fiftieth of the run."""
    width = max(1, len(loss) // 50)
    sums = np.cumsum(np.concatenate([np.zeros(1), loss]))
    ends = np.arange(1, len(loss) + 1)
    starts = np.maximum(0, ends - width)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def new_table(console: Console, first: str, *others: str, wrap_first: bool = False) -> Table:
    """A table without a frame, its first column at the left and the others at the right.

    Args:
        console: the console that prints it.
        first: the heading of the first column.
        others: the headings of the other columns.
        wrap_first: whether long text in the first column is wrapped.
    """
    from rich import box  # noqa: PLC0415 - slow to load
    from rich.table import Table  # noqa: PLC0415

    lines = None if console.options.ascii_only else box.SIMPLE_HEAD
    table = Table(box=lines, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold", no_wrap=not wrap_first)
    for name in others:
        table.add_column(name, justify="right", overflow="fold")
    return table


def encoded_text(console: Console, *parts: tuple[str, str]) -> Text:
    """Styled text without markup, in characters the console's encoding has."""
    from rich.text import Text  # noqa: PLC0415 - slow to load

    known = [(_encodable(console, part), style) for part, style in parts]
    return Text.assemble(*known)


def _encodable(console: Console, text: str) -> str:
    return text.encode(console.encoding, "replace").decode(console.encoding)
