"""The tables of the page, from what is stored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from _page import table, write_section

from . import truth
from .best import best_of
from .scores import bests, quantile, scores, summaries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .cells import Cell
    from .scores import Score, Summary

__all__ = ["show"]

_HEADER = [
    "method",
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
    """Print the tables; with a page, write them there, and the picture beside it."""
    judged = scores(cells)
    parts = {
        "cells": _cells(cells),
        "ratios": _ratios(cells),
        "methods": _methods(judged, "every cell"),
        "held-out": _methods([one for one in judged if one.cell.held_out], "cells kept apart"),
        "seen": _methods([one for one in judged if not one.cell.held_out], "the other cells"),
        "intervals": _intervals(judged),
        "worst": _worst(judged),
    }
    for name, text in parts.items():
        print(f"\n{text}")
        if page is not None:
            write_section(page, name, text)
    if page is not None:
        from .picture import draw  # noqa: PLC0415 - matplotlib is slow to load

        draw(judged, page.parent / "pictures")


def percent(share: float) -> str:
    """An excess for people."""
    if math.isinf(share):
        return "diverged"
    if abs(share) < 0.0995:
        return f"{100 * share:.1f} %"
    return f"{100 * share:,.0f} %"


def _methods(judged: Sequence[Score], which: str) -> str:
    count = len({one.cell.name for one in judged})
    lines = [_line(one) for one in summaries(judged)]
    return f"{which.capitalize()} ({count}):\n\n{table(_HEADER, lines)}"


def _line(one: Summary) -> list[str]:
    ratios = "" if one.ratios is None else f"{one.ratios[0]:.2g} to {one.ratios[1]:.2g}"
    return [
        one.method,
        str(one.rows),
        percent(one.median),
        percent(one.ninth),
        percent(one.worst),
        _share(one.diverged),
        _share(one.twice),
        _share(one.refused / one.rows),
        ratios,
        f"{one.cost:.2f}",
    ]


def _share(share: float) -> str:
    return f"{100 * share:.0f} %" if share else ""


def _cells(cells: Sequence[Cell]) -> str:
    """The truth: best rate, loss there, how well both are known, and how the best rate drifts."""
    lines = []
    for cell in cells:
        known = truth.read(cell)
        if known is None:
            continue
        best = best_of(known["tables"][0])
        lines.append(
            [
                cell.name + (" (apart)" if cell.held_out else ""),
                f"{best.rate:.2g} ({best.low:.2g} to {best.high:.2g})",
                f"{np.mean([*best.loss.values()]):.4f}",
                percent(best.error),
                percent(best.noise),
                _drift(known["tables"]),
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
    return ", ".join(f"{best_of(one).rate:.2g}" for one in tables[1:])


def _ratios(cells: Sequence[Cell]) -> str:
    """What a rate so many times the best one costs, read off the truth of every cell."""
    known, lines = [*bests(cells).values()], []
    for times in (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8):
        read = [best.expected(best.rate * times) for best in known]
        costs = np.array([cost for cost in read if cost is not None])
        if len(costs):
            middle, ninth = (quantile(costs, share) for share in (0.5, 0.9))
            worst = float(costs.max())
            name = f"{times:g}" if times >= 1 else f"1/{1 / times:g}"
            lines.append([name, *map(percent, (middle, ninth, worst)), str(len(costs))])
    return table(["rate / best", "median excess", "90th percentile", "worst", "cells"], lines)


def _intervals(judged: Sequence[Score]) -> str:
    """How often a stated interval holds the best rate, and what the verdicts are worth."""
    lines = []
    for one in summaries([score for score in judged if score.covered is not None]):
        own = [score for score in judged if score.method == one.method]
        weak = [score.excess for score in own if score.note == "weak" and score.excess is not None]
        firm = [score.excess for score in own if score.note == "ok" and score.excess is not None]
        lines.append(
            [
                one.method,
                f"{100 * (one.coverage or 0):.0f} %",
                f"{one.width:.1f}",
                f"{len(weak)} of {len(own)}",
                percent(float(np.median(weak))) if weak else "",
                percent(float(np.median(firm))) if firm else "",
            ]
        )
    header = [
        "method",
        "interval holds the best rate",
        "median width, a factor",
        "called weak",
        "median excess then",
        "else",
    ]
    return table(header, lines)


def _worst(judged: Sequence[Score]) -> str:
    """Where each method does worst."""
    lines = []
    for one in summaries(judged):
        own = [
            score for score in judged if score.method == one.method and score.excess is not None
        ]
        if not own:
            continue
        worst = max(own, key=lambda score: score.excess or 0.0)
        ratio = "" if worst.ratio is None else f"{worst.ratio:.2g}"
        excess, error = percent(worst.excess or 0.0), percent(worst.error) if worst.error else ""
        lines.append([one.method, worst.cell.name, ratio, excess, error])
    return table(["method", "worst in", "rate / best", "excess", "its error"], lines)
