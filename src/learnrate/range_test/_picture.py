"""The picture of a range test, on matplotlib axes."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import (
    CHOSEN,
    DIVERGED,
    MEASURED,
    Mark,
    axes_or_new,
    legend_below,
    log_axis,
    mark_rates,
    rate_text,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from learnrate.range_test._result import RangeTest

__all__ = ["draw"]


def draw(test: RangeTest, axes: Axes | None = None) -> Axes:
    """Draw every repeat, their mean and band, and the rates read off them.

    A test that was refused shows its reason instead of a suggestion.

    Raises:
        MissingExtraError: `axes` is None and matplotlib is not installed.
    """
    axes = axes_or_new(axes)
    style(axes, _title(test), x="learning rate", y="training loss")
    axes.set_xlim(float(test.lr[0]), float(test.lr[-1]))
    if test.mode != "linear":
        log_axis(axes.xaxis, float(test.lr[0]), float(test.lr[-1]))
    _curves(axes, test)
    mark_rates(axes, _marks(test))
    return axes


def _title(test: RangeTest) -> str:
    if test.suggestion is None:
        return textwrap.fill(f"Range test, refused: {test.reason}", width=88)
    return f"Range test: suggestion {rate_text(test.suggestion, 2)}"


def _curves(axes: Axes, test: RangeTest) -> None:
    for index, loss in enumerate(test.loss):
        label = "one repeat, as measured" if index == 0 else None
        axes.plot(test.lr, loss, color=MEASURED, alpha=0.25, linewidth=0.7, label=label)
    common = test.lr[: len(test.mean)]
    if not len(common):
        axes.set_yticks([])
        return
    low, high = test.band
    repeats = len(test.loss)
    axes.fill_between(
        common, low, high, color=MEASURED, alpha=0.2, linewidth=0, label="lowest to highest repeat"
    )
    axes.plot(common, test.mean, color=MEASURED, linewidth=2.0, label=f"mean of {repeats}, smooth")
    axes.set_ylim(*_limits(test))
    legend_below(axes)


def _limits(test: RangeTest) -> tuple[float, float]:
    """Where the loss falls is what matters; the explosion after it is cut off."""
    finite = test.loss[np.isfinite(test.loss)]
    start, lowest = float(test.mean[0]), min(float(test.band[0].min()), float(finite.min()))
    room = 3 * abs(start) if test.refusal else 0.5 * (start - lowest)
    highest = max(min(float(finite.max()), start + room), start)
    margin = 0.05 * (highest - lowest) or 0.05 * abs(start) or 1.0
    return lowest - margin, highest + margin


def _marks(test: RangeTest) -> list[Mark]:
    if not len(test.mean):
        return []
    marks = [
        Mark(lr, f"{name} {rate_text(lr, 2)}") for name, lr in test.rules.items() if lr is not None
    ]
    if test.suggestion is not None:
        label = f"suggestion {rate_text(test.suggestion, 2)}"
        marks.append(Mark(test.suggestion, label, CHOSEN, strong=True))
    else:
        marks.clear()  # a curve that carries no answer carries none of the rules' answers either
    if test.diverged_at is not None:
        marks.append(
            Mark(test.diverged_at, f"diverged {rate_text(test.diverged_at, 2)}", DIVERGED)
        )
    return marks
