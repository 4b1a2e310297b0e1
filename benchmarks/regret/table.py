"""The tables of the page, from the stored results."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from _page import table, write_section

from . import ours, rows, truth
from .best import best_of
from .methods import fitted_domains
from .pairs import pair_lines
from .scores import bests, percent, quantile, scores, summaries
from .short_sweeps import spread, summary_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .cells import Cell
    from .scores import Score, Summary

__all__ = ["expected_beside_real", "show"]

_HEADER = [
    "method",
    "cells",
    "rows",
    "median excess",
    "90th percentile",
    "worst",
    "diverged",
    "over twice",
    "no answer",
    "rate / best",
    "cost",
]


def show(cells: Sequence[Cell], page: Path | None) -> None:
    """Print the tables; with a page, write them there and the picture in its folder."""
    scored = scores(cells)
    left_out = _left_out(scored)
    parts = {
        "versions": _versions(),
        "cells": _cells(cells),
        "ratios": _ratios(cells),
        "short-sweeps": _short_sweeps(cells, scored),
        "methods": _methods(scored, "every cell"),
        "left-out": _methods(left_out, "cells of domains left out"),
        "pairs": _pairs(left_out),
        "domains": _domains(scored),
        "intervals": _intervals(scored),
        "expected": expected_beside_real(left_out),
        "worst": _worst(scored),
    }
    for name, text in parts.items():
        print(f"\n{text}")
        if page is not None:
            write_section(page, name, text)
    if page is not None:
        from .picture import draw  # noqa: PLC0415 - matplotlib is slow to load

        draw(scored, page.parent / "pictures")


def _versions() -> str:
    """A note if learnrate's own rows are of other code than the present one; else nothing."""
    current = {method.name: method.version for method in ours.METHODS}
    earlier = {
        row["method"]
        for row in rows.read().values()
        if row["method"] in current and row["version"] != current[row["method"]]
    }
    if not earlier:
        return ""
    names = ", ".join(f"**{name}**" for name in sorted(earlier))
    return f"These rows were measured with an earlier version of the code: {names}."


def _methods(scored: Sequence[Score], which: str) -> str:
    count = len({score.cell.name for score in scored})
    lines = [_line(summary) for summary in summaries(scored)]
    return f"{which.capitalize()} ({count}):\n\n{table(_HEADER, lines)}"


def _left_out(scored: Sequence[Score]) -> list[Score]:
    """The scores in domains that neither their method nor today's methods were fitted to."""
    fitted = frozenset[str]().union(*(fitted_domains(method.name) for method in ours.METHODS))
    return [score for score in scored if score.left_out and score.cell.domain not in fitted]


def _pairs(scored: Sequence[Score]) -> str:
    """In how many cells of domains left out a plan ends lower than a method of about its cost."""
    header = ["plan", "cost", "other method", "its cost", "cells", "plan lower", "plan higher"]
    return table(header, pair_lines(scored))


_COMPARED = (
    "plan, budget 0.5",
    "plan, budget 0.25",
    "plan, budget 0.1",
    "plan, inside the run",
    "first plan, budget 0.5",
    "plain grid, 5 of T/10",
    "fastai minimum/10",
)


def _domains(scored: Sequence[Score]) -> str:
    """The median and the worst excess of some methods in each domain."""
    names = [name for name in _COMPARED if any(score.method == name for score in scored)]
    lines = []
    for domain in dict.fromkeys(score.cell.domain for score in scored):
        group = [score for score in scored if score.cell.domain == domain]
        count = len({score.cell.name for score in group})
        summary_of = {summary.method: summary for summary in summaries(group)}
        columns = [_middle_and_worst(summary_of.get(name)) for name in names]
        lines.append([domain, str(count), *columns])
    return table(["domain", "cells", *(f"{name}: median, worst" for name in names)], lines)


def _middle_and_worst(summary: Summary | None) -> str:
    return "" if summary is None else f"{percent(summary.median)}, {percent(summary.worst)}"


def _line(summary: Summary) -> list[str]:
    ratios = "" if summary.ratios is None else "{:.2g} to {:.2g}".format(*summary.ratios)
    return [
        summary.method,
        str(summary.cells),
        str(summary.rows),
        percent(summary.median),
        percent(summary.ninth),
        percent(summary.worst),
        _share(summary.diverged),
        _share(summary.twice),
        _share(summary.refused / summary.rows),
        ratios,
        f"{summary.cost:.2f}",
    ]


def _share(share: float) -> str:
    return f"{100 * share:.0f} %" if share else ""


def _cells(cells: Sequence[Cell]) -> str:
    """The truth: the best rate and its loss with their errors, and the best rate of shorter runs."""
    lines = []
    for cell in cells:
        stored = truth.read(cell)
        if stored is None:
            continue
        best = best_of(stored["tables"][0])
        lines.append(
            [
                cell.name + (" (held out)" if cell.held_out else ""),
                f"{best.rate:.2g} ({best.low:.2g} to {best.high:.2g})",
                f"{np.mean([*best.loss.values()]):.4f}",
                percent(best.error),
                percent(best.noise),
                _drift(stored["tables"]),
            ]
        )
    header = [
        "cell",
        "best rate",
        "loss there",
        "its error",
        "noise of a run",
        f"best at {', '.join(f'T/{share}' for share in reversed(truth.SHARES))}",
    ]
    return table(header, lines)


def _drift(tables: list[dict[str, object]]) -> str:
    return ", ".join(f"{best_of(sweep).rate:.2g}" for sweep in tables[1:])


def _ratios(cells: Sequence[Cell]) -> str:
    """The excess at multiples of the best rate, interpolated in the truth of every cell."""
    best_rates, lines = [*bests(cells).values()], []
    for times in (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8):
        excesses = [best.expected(best.rate * times) for best in best_rates]
        costs = np.array([excess for excess in excesses if excess is not None])
        if len(costs):
            middle, ninth = (quantile(costs, share) for share in (0.5, 0.9))
            worst = float(costs.max())
            name = f"{times:g}" if times >= 1 else f"1/{1 / times:g}"
            lines.append([name, *map(percent, (middle, ninth, worst)), str(len(costs))])
    return table(["rate / best", "median excess", "90th percentile", "worst", "cells"], lines)


def _short_sweeps(cells: Sequence[Cell], scored: Sequence[Score]) -> str:
    """What exhaustive sweeps of shorter lengths give, and a plan with half of a run beside them."""
    header = [
        "trials",
        "cells",
        "cost in runs",
        "rate",
        "median excess",
        "75th percentile",
        "90th",
    ]
    header += ["worst", "above 8 %", "drift: 10 %, median, 90 %"]
    plans = [score for score in scored if score.method == _COMPARED[0]]
    lines = [
        [_COMPARED[0], f"{which} ({len(group)})", "0.5", "chosen", *_spread_of(group), ""]
        for which, group in (("all", plans), ("left out", _left_out(plans)))
    ]
    return table(header, [*summary_lines(cells, _SHORT), *lines])


def _spread_of(group: Sequence[Score]) -> list[str]:
    return spread([score.excess for score in group if score.excess is not None])


def _intervals(scored: Sequence[Score]) -> str:
    """How often a stated interval contains the best rate, and the excess for each verdict."""
    lines = []
    for summary in summaries([score for score in scored if score.covered is not None]):
        group = [score for score in scored if score.method == summary.method]
        possible = float(
            np.mean([score.possible for score in group if score.possible is not None])
        )
        weak, firm = (
            [score.excess for score in group if score.note == note and score.excess is not None]
            for note in ("weak", "ok")
        )
        lines.append(
            [
                summary.method,
                f"{100 * (summary.coverage or 0):.0f} %",
                f"{100 * possible:.0f} %",
                f"{summary.width:.1f}",
                f"{len(weak)} of {len(group)}",
                percent(float(np.median(weak))) if weak else "",
                percent(float(np.median(firm))) if firm else "",
            ]
        )
    header = [
        "method",
        "interval contains the best rate",
        "or one that the truth cannot tell from it",
        "median width, a factor",
        "verdict weak",
        "median excess if weak",
        "otherwise",
    ]
    return table(header, lines)


_SHORT = (4, 8)  # lengths of sweeps, as a T-th of the whole run

_EXPECTED = (0.0, 0.02, 0.05, 0.15, math.inf)  # ends of the bands of stated excess


def expected_beside_real(scored: Sequence[Score]) -> str:
    """The excess that methods expected beside the real one, by bands of what they expected."""
    lines = []
    stated = [score for score in scored if score.expected is not None and score.excess is not None]
    for method in dict.fromkeys(score.method for score in stated):
        for low, high in pairwise(_EXPECTED):
            pairs = [
                (score.expected or 0.0, score.excess or 0.0)
                for score in stated
                if score.method == method and low <= (score.expected or 0.0) < high
            ]
            if pairs:
                lines.append(
                    [method, _band(low, high), str(len(pairs)), *_beside(np.array(pairs))]
                )
    header = ["method", "expected", "rows", "its mean", "real: median", "90th percentile"]
    return table([*header, "share that ended within it"], lines)


def _band(low: float, high: float) -> str:
    return (
        f"{percent(low)} to {percent(high)}" if math.isfinite(high) else f"{percent(low)} and more"
    )


def _beside(pairs: np.ndarray) -> list[str]:
    """The mean expected excess, quantiles of the real one, and how often that was not above."""
    expected, real = pairs.T
    return [
        percent(float(expected.mean())),
        *(percent(quantile(real, share)) for share in (0.5, 0.9)),
        _share(float((real <= expected).mean())) or "0 %",
    ]


def _worst(scored: Sequence[Score]) -> str:
    """The cell in which each method does worst."""
    lines = []
    for summary in summaries(scored):
        group = [score for score in scored if score.method == summary.method]
        answered = [score for score in group if score.excess is not None]
        if not answered:
            continue
        worst = max(answered, key=lambda score: score.excess or 0.0)
        ratio = "" if worst.ratio is None else f"{worst.ratio:.2g}"
        excess, error = percent(worst.excess or 0.0), percent(worst.error) if worst.error else ""
        lines.append([summary.method, worst.cell.name, ratio, excess, error])
    return table(["method", "worst in", "rate / best", "excess", "its error"], lines)
