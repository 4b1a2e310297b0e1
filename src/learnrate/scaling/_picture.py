"""The chart of a fit: best rates and the law against each factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import learnrate._chart as charts
from learnrate._numbers import rate_text
from learnrate.scaling._fit import Fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.scaling._fit import ScaledRate
    from learnrate.scaling._optima import GroupOptimum

__all__: list[str] = []

_ROOM = 1.15  # beyond the outermost point, as a factor


@charts.describe.register(Fit)
def _fit_chart(fit: Fit, scaled: ScaledRate, factor: str | None = None) -> charts.Chart:
    """A panel for each factor that varies, or for one factor.

    Each panel has the law along its factor with an 80 % band. Best rates are moved along the law to
    the other factors of the request, so that their distance from the line is the error of the law.
    """
    shown = (factor,) if factor else fit.varied or fit.factors[:1]
    parts = [_parts(fit, scaled, name) for name in shown]
    low = min(float(np.min(rates)) for part in parts for rates in part.rates if rates.size) / _ROOM
    high = (
        max(float(np.max(rates)) for part in parts for rates in part.rates if rates.size) * _ROOM
    )
    panels = tuple(
        charts.Panel(
            title=_title(scaled) if factor else "",
            x=charts.Axis(
                label=name, low=float(part.places[0]), high=float(part.places[-1]), log=True
            ),
            y=charts.Axis(
                label="" if number else "best peak rate",
                low=low,
                high=high,
                log=True,
                unnumbered=number > 0,
            ),
            marks=part.marks,
            legend_columns=2 if factor else 0,
        )
        for number, (name, part) in enumerate(zip(shown, parts, strict=True))
    )
    if factor:
        return charts.Chart(panels=panels)
    return charts.Chart(
        panels=panels,
        rows=(tuple(range(len(panels))),),
        size=(1.0 + 3.6 * len(panels), 4.2),
        title=_title(scaled),
        legend_columns=3,
    )


class _Parts(NamedTuple):
    """The drawing along one factor: its places on x, the marks, and all rates among them."""

    places: np.ndarray
    marks: tuple[charts.PanelMark, ...]
    rates: tuple[np.ndarray, ...]


def _parts(fit: Fit, scaled: ScaledRate, factor: str) -> _Parts:
    low, high = fit.ranges[factor]
    requested = scaled.factors[factor]
    places = np.geomspace(min(low, requested) / _ROOM, max(high, requested) * _ROOM, 80)
    law = [fit.expected(scaled.factors | {factor: float(place)}) for place in places]
    middle, lowest, highest = np.array(law).T
    enclosed = _moved(fit, scaled, factor, fit.optima)
    edges = _moved(fit, scaled, factor, fit.edges)
    marks: list[charts.PanelMark] = [
        charts.Band(
            x=places,
            low=lowest,
            high=highest,
            colour=charts.Colour.MEASURED,
            label="80 % interval",
        ),
        charts.Polyline(
            x=places,
            y=middle,
            colour=charts.Colour.MEASURED,
            width=1.8,
            label="law at the requested factors",
        ),
        _best_rates(fit.optima, factor, enclosed, label="best rates, moved to these factors"),
    ]
    if fit.edges:
        marks.append(_best_rates(fit.edges, factor, edges, label="not enclosed", hollow=True))
    marks.append(
        charts.Markers(
            x=[requested],
            y=[scaled.lr],
            y_ends=[[scaled.low], [scaled.high]],
            colour=charts.Colour.CHOSEN,
            symbol="diamond",
            size=7,
            capped=True,
            label=f"prediction {rate_text(scaled.lr, 2)}",
        )
    )
    return _Parts(places, tuple(marks), (lowest, highest, enclosed, edges))


def _best_rates(
    optima: Sequence[GroupOptimum],
    factor: str,
    rates: np.ndarray,
    *,
    label: str,
    hollow: bool = False,
) -> charts.Markers:
    return charts.Markers(
        x=[optimum.factors[factor] for optimum in optima],
        y=rates,
        colour=charts.Colour.QUIET,
        size=4,
        opacity=0.6,
        hollow=hollow,
        label=label,
    )


def _moved(
    fit: Fit, scaled: ScaledRate, factor: str, optima: Sequence[GroupOptimum]
) -> np.ndarray:
    """Best rates, moved along the law to the other factors of the request."""
    requests = [scaled.factors | {factor: optimum.factors[factor]} for optimum in optima]
    return np.array(
        [
            optimum.lr * fit.expected(request)[0] / fit.expected(optimum.factors)[0]
            for optimum, request in zip(optima, requests, strict=True)
        ]
    )


def _title(scaled: ScaledRate) -> str:
    factors = ", ".join(f"{name}={rate_text(value, 4)}" for name, value in scaled.factors.items())
    ends = f"{rate_text(scaled.low, 2)} to {rate_text(scaled.high, 2)}"
    answer = f"{factors}: {rate_text(scaled.lr, 2)}, 80 % interval {ends}"
    return answer if scaled.verdict == "ok" else f"{answer} ({scaled.verdict})"
