"""The chart of predicted losses: measured curves, and each prediction with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._chart import Axis, Band, Chart, Colour, Panel, Polyline, describe, thinned
from learnrate.forecasting._law import LossLaw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate._chart import PanelMark
    from learnrate.forecasting._law import PredictedLoss

__all__: list[str] = []

_MOST_POINTS = 800


@describe.register(LossLaw)
def _law_chart(law: LossLaw, predictions: Sequence[PredictedLoss]) -> Chart:
    """The losses of the runs in grey, and of each schedule the expected loss with its interval."""
    marks: list[PanelMark] = []
    for curve in law.curves:
        step, loss = thinned(curve.step, curve.loss, _MOST_POINTS)
        marks.append(
            Polyline(x=step, y=loss, colour=Colour.QUIET, opacity=0.7, label=f"run {curve.name}")
        )
    for number, predicted in enumerate(predictions):
        if len(predictions) == 1:
            label = f"{predicted.confidence:.0%} interval"
            marks.append(
                Band(
                    x=predicted.step,
                    low=predicted.low,
                    high=predicted.high,
                    colour=Colour.MEASURED,
                    label=label,
                )
            )
        marks.append(
            Polyline(
                x=predicted.step,
                y=predicted.loss,
                colour=Colour.MEASURED if len(predictions) == 1 else number,
                width=1.8,
                label=f"expected: {predicted.schedule}",
            )
        )
    panel = Panel(
        x=Axis(label="step", number_format=","),
        y=Axis(label="loss", number_format=".4g"),
        marks=tuple(marks),
        title="Expected loss",
        legend_columns=1,
    )
    return Chart(panels=(panel,), size=(8.0, 5.0))
