"""One self-contained HTML page that compares schedules."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from learnrate._axes import rate_text
from learnrate.report._figures import line_style, schedules
from learnrate.report._shell import figure, key_of, whole_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = ["schedules_page"]

_DASH_MARKS = {"solid": "━", "dash": "╍", "dot": "┅"}


def schedules_page(labelled: Sequence[tuple[str, np.ndarray]]) -> str:
    """Schedules in one picture, with a table of their rates, as one HTML file that loads nothing.

    Args:
        labelled: a label, usually the schedule's text, and the rate of every step; at least one.
    """
    tables = [values for _, values in labelled]
    described = f"Learning rate against step for {len(labelled)} schedules; the table has figures."
    body = f"""<header><p class="over">learnrate show</p><h1>Schedules</h1></header>
<main>
{figure("schedules", described, "")}
{key_of("".join(_key_item(index, label) for index, (label, _) in enumerate(labelled)))}
<h2>Rates</h2>
<div class="table" tabindex="0" role="region" aria-label="Rates"><table>
<thead><tr><th scope="col" class="word">schedule</th><th scope="col">steps</th>
<th scope="col">first</th><th scope="col">highest</th><th scope="col">at step</th>
<th scope="col">last</th></tr></thead>
<tbody>{"".join(_row(label, values) for label, values in labelled)}</tbody>
</table></div>
</main>
"""
    return whole_page(
        title="Schedules (learnrate show)", body=body, figures={"schedules": schedules(tables)}
    )


def _key_item(index: int, label: str) -> str:
    colour, dash = line_style(index)
    mark = f'<i class="{colour}" aria-hidden="true">{_DASH_MARKS[dash]}</i>'
    return f"<li>{mark}<code>{escape(label)}</code></li>"


def _row(label: str, values: np.ndarray) -> str:
    cells = (
        f"{len(values):,}",
        rate_text(float(values[0])),
        rate_text(float(values.max())),
        f"{int(values.argmax()):,}",
        rate_text(float(values[-1])),
    )
    rest = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row" class="word"><code>{escape(label)}</code></th>{rest}</tr>'
