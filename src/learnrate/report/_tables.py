"""The tables of a page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from learnrate._axes import rate_text
from learnrate.report import _words as words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from learnrate.planning import Plan, Rung, RungTrial

__all__ = ["rules_table", "trials_table"]


def rules_table(rules: Mapping[str, float | None], beside: float | None, called: str) -> str:
    """What each rule of the field would have answered, beside another answer.

    Args:
        rules: rates by the rule's name; None where a rule has no answer.
        beside: the other answer; without it its column is left out.
        called: what that one is called.
    """
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{rate_text(lr, 2)}</td>'
        + ("" if beside is None else f"<td>{rate_text(lr / beside, 2)}</td>")
        + "</tr>"
        for name, lr in rules.items()
        if lr is not None
    )
    last = "" if beside is None else f'<th scope="col">times {escape(called)}</th>'
    return _scrollable(
        "Rules of the field",
        '<thead><tr><th scope="col">rule</th><th scope="col">rate</th>'
        f"{last}</tr></thead><tbody>{rows}</tbody>",
    )


def trials_table(plan: Plan) -> str:
    """Every training the plan paid for, by stage, with how it ended."""
    head = (
        '<thead><tr><th scope="col">peak rate</th><th scope="col">final loss</th>'
        '<th scope="col" class="word">status</th><th scope="col">updates</th></tr></thead>'
    )
    first = (
        f'<tbody><tr><th scope="rowgroup" colspan="4">Range test</th></tr>'
        f'<tr><td>rising</td><td>&ndash;</td><td class="word">finished</td>'
        f"<td>{words.range_test_updates(plan):,}</td></tr></tbody>"
    )
    rungs = "".join(_rung_rows(index, rung) for index, rung in enumerate(plan.rungs, 1))
    foot = (
        f'<tfoot><tr><th scope="row" colspan="3">Together, {plan.cost:.0%} of one run of '
        f"{plan.total_steps:,} updates</th><td>{words.spent(plan):,}</td></tr></tfoot>"
    )
    return _scrollable("Trials and what they cost", head + first + rungs + foot)


def _rung_rows(index: int, rung: Rung) -> str:
    lowest = min((t.loss for t in rung.trials if t.loss is not None), default=None)
    rows = "".join(_trial_row(trial, lowest) for trial in rung.trials)
    title = f"Rung {index}: {rung.steps:,} updates"
    return f'<tbody><tr><th scope="rowgroup" colspan="4">{title}</th></tr>{rows}</tbody>'


def _trial_row(trial: RungTrial, lowest: float | None) -> str:
    if trial.loss is None:
        loss, status = "&ndash;", f'<span class="diverged-text">{escape(trial.status)}</span>'
    else:
        loss, status = f"{trial.loss:.4g}", escape(trial.status)
    mark = ""
    if trial.loss is not None and trial.loss == lowest:
        mark, status = ' class="lowest"', f"{status} (lowest)"
    return (
        f"<tr{mark}><td>{rate_text(trial.lr, 4)}</td><td>{loss}</td>"
        f'<td class="word">{status}</td><td>{trial.updates:,}</td></tr>'
    )


def _scrollable(title: str, rows: str) -> str:
    name = escape(title)
    return (
        f'<div class="table" role="region" tabindex="0" aria-label="{name}">'
        f"<table><caption>{name}</caption>{rows}</table></div>"
    )
