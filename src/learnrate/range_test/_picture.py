"""The chart of a range test: every repeat, and the rates read off their mean."""

from __future__ import annotations

import textwrap

import numpy as np

import learnrate._chart as charts
from learnrate._numbers import rate_text
from learnrate.range_test._result import RangeTest

__all__: list[str] = []


@charts.describe.register(RangeTest)
def _range_test_chart(test: RangeTest) -> charts.Chart:
    """Every repeat, their mean and band, and the rates read off them.

    A test that was refused has its reason instead of a suggestion.
    """
    low, high = _loss_limits(test)
    panel = charts.Panel(
        title=_title(test),
        x=charts.Axis(
            label="learning rate",
            low=float(test.lr[0]),
            high=float(test.lr[-1]),
            log=test.mode != "linear",
        ),
        y=charts.Axis(
            label=test.loss_name,
            low=low,
            high=high,
            number_format=".4g",
            unnumbered=not len(test.mean),
        ),
        marks=(*_zones(test), *_repeats(test), *_means(test), *_rates_read(test)),
        legend_columns=3 if len(test.mean) else 0,
    )
    return charts.Chart(panels=(panel,))


def _title(test: RangeTest) -> str:
    if test.suggestion is None:
        return textwrap.fill(f"Range test, refused: {test.reason}", width=88)
    return f"Range test: suggestion {rate_text(test.suggestion, 2)}"


def _zones(test: RangeTest) -> list[charts.VerticalSpan]:
    """The rates that are too low and too high; between them the loss falls."""
    zones = test.zones
    if zones is None:
        return []
    spans = []
    if zones.falling_from > test.lr[0]:
        spans.append(
            charts.VerticalSpan(
                low=float(test.lr[0]),
                high=zones.falling_from,
                colour=charts.Colour.QUIET,
                label="too low",
            )
        )
    if zones.rising_from is not None:
        spans.append(
            charts.VerticalSpan(
                low=zones.rising_from,
                high=float(test.lr[-1]),
                colour=charts.Colour.DIVERGED,
                label="too high",
            )
        )
    return spans


def _repeats(test: RangeTest) -> list[charts.PanelMark]:
    return [
        charts.Polyline(
            x=test.lr, y=loss, colour=charts.Colour.MEASURED, opacity=0.25, width=0.7, hover=False,
            label="one repeat, as measured" if index == 0 else "",
        )
        for index, loss in enumerate(test.loss)
    ]  # fmt: skip


def _means(test: RangeTest) -> list[charts.PanelMark]:
    common = test.lr[: len(test.mean)]
    if not len(common):
        return []
    low, high = test.band
    label = f"mean of {len(test.loss)}, smooth"
    return [
        charts.Band(x=common, low=low, high=high, colour=charts.Colour.MEASURED, label="lowest to highest repeat"),
        charts.Polyline(x=common, y=test.mean, colour=charts.Colour.MEASURED, width=2.0, label=label),
    ]  # fmt: skip


def _loss_limits(test: RangeTest) -> tuple[float | None, float | None]:
    """Limits that show where the loss falls; the explosion after it is cut off."""
    if not len(test.mean):
        return None, None
    finite = test.loss[np.isfinite(test.loss)]
    start, lowest = float(test.mean[0]), min(float(test.band[0].min()), float(finite.min()))
    room = 3 * abs(start) if test.refusal else 0.5 * (start - lowest)
    highest = max(min(float(finite.max()), start + room), start)
    margin = 0.05 * (highest - lowest) or 0.05 * abs(start) or 1.0
    return lowest - margin, highest + margin


def _rates_read(test: RangeTest) -> list[charts.VerticalLine]:
    if not len(test.mean):
        return []
    lines = []
    if test.usual is not None:
        label = f"usual {rate_text(test.usual.lr, 2)}"
        lines.append(charts.VerticalLine(x=test.usual.lr, label=label))
    if test.suggestion is not None:  # a refused curve carries none of the rules' answers either
        lines += [
            charts.VerticalLine(x=lr, label=f"{name} {rate_text(lr, 2)}")
            for name, lr in test.rules.items()
            if lr is not None
        ]
        label = f"suggestion {rate_text(test.suggestion, 2)}"
        lines.append(
            charts.VerticalLine(
                x=test.suggestion,
                label=label,
                colour=charts.Colour.CHOSEN,
                strong=True,
                dash="solid",
            )
        )
    if test.diverged_at is not None:
        label = f"diverged {rate_text(test.diverged_at, 2)}"
        lines.append(
            charts.VerticalLine(x=test.diverged_at, label=label, colour=charts.Colour.DIVERGED)
        )
    return lines
