"""The horizontal axis of a run: steps, epochs, seconds or tokens."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.dashboard._models import CurveResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from learnrate.store import RecordedPoints

__all__ = ["HorizontalAxis", "axes_of", "axis_values"]

_MOST_VALUES = 1000
_PER_STEP = {"epoch": "steps_per_epoch", "tokens": "tokens_per_step"}  # facts


class HorizontalAxis(StrEnum):
    """The quantity on the horizontal axis of the curves, such as the step or the time."""

    STEP = "step"
    EPOCH = "epoch"
    TIME = "time"
    TOKENS = "tokens"


def axes_of(points: RecordedPoints, facts: Mapping[str, Any]) -> list[HorizontalAxis]:
    """The axes that a run has, by its facts and its recorded seconds."""
    axes = [HorizontalAxis.STEP]
    for axis in (HorizontalAxis.EPOCH, HorizontalAxis.TOKENS):
        fact = facts.get(_PER_STEP[axis])
        if isinstance(fact, int | float) and fact > 0:
            axes.append(axis)
    if "seconds" in points.columns and len(points.step) > 1:
        axes.append(HorizontalAxis.TIME)
    return axes


def axis_values(
    axis: HorizontalAxis, points: RecordedPoints, facts: Mapping[str, Any]
) -> CurveResponse:
    """The value of an axis at some steps, between which it is linear; empty if it is not known.

    Args:
        axis: which one. Time is in seconds of training, without pauses.
        points: the points of the run.
        facts: the facts of the run: `steps_per_epoch`, `tokens_per_step`.

    Examples:
        >>> from learnrate.store import RecordedPoints
        >>> step = np.array([0, 2, 3])
        >>> columns = {"seconds": np.array([np.nan, 0.5, 0.5])}
        >>> points = RecordedPoints(step=step, columns=columns, attempt=np.zeros(3))
        >>> axis_values(HorizontalAxis.TIME, points, {}).value
        [0.0, 1.0, 1.5]
    """
    if axis not in axes_of(points, facts) or not len(points.step):
        return CurveResponse(step=[], value=[])
    last = int(points.step[-1])
    if axis is HorizontalAxis.STEP:
        return CurveResponse(step=[0, last + 1], value=[0.0, last + 1.0])
    if axis is not HorizontalAxis.TIME:
        fact = float(facts[_PER_STEP[axis]])
        rate = 1 / fact if axis is HorizontalAxis.EPOCH else fact
        return CurveResponse(step=[0, last + 1], value=[0.0, (last + 1) * rate])
    gaps = np.diff(points.step, prepend=points.step[0])
    time = np.cumsum(np.nan_to_num(points.columns["seconds"], posinf=0.0) * gaps)
    chosen = np.unique(np.linspace(0, len(time) - 1, min(_MOST_VALUES, len(time))).astype(int))
    return CurveResponse(step=points.step[chosen].tolist(), value=time[chosen].tolist())
