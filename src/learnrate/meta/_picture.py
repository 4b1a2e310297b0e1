"""The charts of meta-learning: the map of a sweep, and the learned rates below 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import learnrate._chart as charts
from learnrate._numbers import cell_edges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.meta._learned import NegativeShare
    from learnrate.meta._optimum import BestPoint

__all__ = ["loss_map", "negative_shares_panel"]


def loss_map(
    inner_lrs: np.ndarray, adapt_lrs: np.ndarray, loss: np.ndarray, best: BestPoint | None
) -> charts.Panel:
    """The mean loss over both rates as colours; the arms of the cross are the optimum's intervals.

    Args:
        inner_lrs: the rates of meta-training, increasing, shape (i,).
        adapt_lrs: the rates of adaptation, increasing, shape (a,).
        loss: the mean loss of each pair, shape (i, a); infinite where a trial diverged.
        best: the pair of lowest loss, if a trial finished.
    """
    x_edges, y_edges = (np.array(cell_edges(lrs.tolist())) for lrs in (inner_lrs, adapt_lrs))
    finite = loss[np.isfinite(loss)]
    low, high = (float(finite.min()), _ceiling(finite)) if finite.size else (0.0, 1.0)
    marks: list[charts.PanelMark] = [
        charts.HeatMap(
            x_edges=x_edges, y_edges=y_edges, values=loss.T, low=low, high=high,
            label="mean test loss",
        ),
        charts.VerticalLine(x=0.0, dash="dash"),
    ]  # fmt: skip
    if best is not None:
        inner, adapt = best.inner_lr, best.adapt_lr
        marks.append(
            charts.Markers(
                x=[inner.best],
                y=[adapt.best],
                x_ends=[[inner.low], [inner.high]],
                y_ends=[[adapt.low], [adapt.high]],
                colour=charts.Colour.CHOSEN,
                size=4,
                bar_width=2,
                halo=True,
            )
        )
    return charts.Panel(
        title=_title(best),
        x=charts.Axis(label="inner_lr (meta-training)", low=x_edges[0], high=x_edges[-1]),
        y=charts.Axis(label="adapt_lr (test time)", low=y_edges[0], high=y_edges[-1]),
        marks=tuple(marks),
    )


def negative_shares_panel(shares: Sequence[NegativeShare]) -> charts.Panel:
    """Each layer's share of negative rates over meta-training, from its counts at some steps."""
    lines = []
    for number, layer in enumerate(dict.fromkeys(share.layer for share in shares)):
        of_layer = [share for share in shares if share.layer == layer]
        lines.append(
            charts.Polyline(
                x=[share.step for share in of_layer],
                y=[100 * share.share for share in of_layer],
                colour=number,
                label=layer,
            )
        )
    return charts.Panel(
        title="Learned inner rates below 0",
        x=charts.Axis(label="meta-update"),
        y=charts.Axis(label="share of the layer's rates, %", low=0.0),
        marks=tuple(lines),
        legend_columns=3,
    )


def _title(best: BestPoint | None) -> str:
    if best is None:
        return "No trial finished"
    inner, adapt = best.inner_lr, best.adapt_lr
    return (
        f"Best inner_lr {inner.best:.2g} ({inner.low:.2g} to {inner.high:.2g}), "
        f"adapt_lr {adapt.best:.2g} ({adapt.low:.2g} to {adapt.high:.2g})"
    )


def _ceiling(loss: np.ndarray) -> float:
    """The loss at which the colours end, so that a few diverging corners do not use up the colours."""
    low, middle, high = float(loss.min()), float(np.median(loss)), float(loss.max())
    return min(high, low + 3 * (middle - low)) if middle > low else high
