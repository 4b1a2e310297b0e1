"""The rate, judged by the path of the weights.

At a rate that is too low, successive updates have the same direction, and along any part of the path the
loss falls as steeply at the end as at the beginning. At a good rate the path turns, and the slope along it
falls to about 0 within an eighth of the path. At a rate that is too high, the weights move further than
their initial norm, and the two halves of the path have no direction in common.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from learnrate.watch._reading import Reading

__all__ = [
    "PATH_COLUMNS",
    "RateMultiple",
    "moved_far",
    "path_columns",
    "path_lacks",
    "rate_multiple",
    "straight_path_lacks",
    "times_text",
]

_PARTS = (2, 4, 8)  # a window is a half, a quarter or an eighth of the path

PATH_COLUMNS = (
    "path_updates",
    "path_distance",
    "path_early",
    "path_noise",
    "path_gain",
    "path_fall",
    "path_slope_1",
    *(f"path_{name}_{part}" for name in ("turn", "slope") for part in _PARTS),
)
"""The names of the columns of a path; `path_columns` says what each means."""

# Least squares of log10(rate / best rate) on runs of 15 families of tasks, with the best rate from a
# sweep. The figures in docs/findings/LR107.md and LR204.md leave each family out of its own fit.
_BY_SLOPE = {
    "path_slope_1": -0.54,
    "path_slope_2": -0.34,
    "path_slope_4": -0.66,
    "path_slope_8": -0.63,
}
_SLOPE_OFFSET = -0.28
_BY_TURN = {"path_turn_2": -1.07, "path_turn_4": -0.99}
_BY_LOG_TURN, _TURN_OFFSET = 0.41, 0.60  # log10(1 - path_turn_2)
_BY_LOG_DISTANCE, _BY_TURN_2, _DISTANCE_OFFSET = 0.71, -0.42, 0.27
_LOW_RANGE, _HIGH_RANGE = (-1.1, 0.1), (-0.36, 0.55)  # 80 % of errors, in decades

_TOO_LOW, _TOO_HIGH = -0.5, 0.5  # estimates in decades; beyond them a finding is reported
_HIGHEST_STRAIGHT_ESTIMATE = -0.7  # estimate from the turns, in decades: a fifth of the best rate
_HIGHEST_STEEP_ESTIMATE = -0.5  # estimate from the slopes, in decades, while they are steep
_LARGEST_GOOD_DISTANCE = 10.0  # no run at a good rate has a larger distance
_LEAST_STRAIGHT_COSINE = 0.5  # cosine of the halves of a path that still has a direction
_JUMP_SHARE = 0.8  # the path began with a jump if its first eighth made this share of the distance
_FIRST_SHARE = 0.15  # share of the run before which no path is judged
_LAST_SHARE = 0.65  # share of the run after which no path is called straight
_LEAST_WARMUPS = 2.0  # a path must be this many times as long as the warm-up
_LEAST_RATE_SHARE = 0.1  # share of the peak: at lower rates the path hardly grows
_AGREEING_MEASUREMENTS = 3  # measurements that must agree
_LEAST_FALL_SHARE = 0.75  # of the fall that the slopes predict; a convex loss falls by more
_ALLOWED_ERRORS = 2.0  # standard errors by which the fall may be less


@dataclass(frozen=True, kw_only=True)
class RateMultiple:
    """How many times the best rate the rate is, as estimated from a path.

    Attributes:
        step: the step of the last measurement.
        multiple: the rate over the best rate; above 1 it is too high.
        low: the lower end of an interval that holds 80 % of the right answers.
        high: its upper end.
        measurements: how many measurements agree.
        path: the columns of the last measurement.
    """

    step: int
    multiple: float
    low: float
    high: float
    measurements: int
    path: Mapping[str, float]

    def evidence(self, peak: float | None) -> dict[str, Any]:
        """As a finding lists it, with the peak rate of the run."""
        return {
            "multiple": self.multiple,
            "low": self.low,
            "high": self.high,
            "measurements": self.measurements,
            "peak": peak,
            **self.path,
        }


def path_columns(
    *,
    steps: Sequence[int],
    products: np.ndarray,
    slopes: np.ndarray,
    alignments: np.ndarray,
    start_square: float,
) -> dict[str, float]:
    """The numbers of a path, as columns of a run's points; all but `path_fall` are free of units.

    Windows end in the second half of the path. `x_i` are the weights at the checkpoints, `g_i` the
    gradients there, `u_i` the updates that follow.

        path_updates     updates so far
        path_distance    |x_n - x_0| / |x_0|
        path_early       |x_(n/8) - x_0| / |x_n - x_0|
        path_noise       sqrt(n mean |u|^2) / |x_n - x_0|: 1 if the updates are a random walk
        path_gain        sum g'.u / sum g.u, with g' the gradient of the next update
        path_fall        -sum g_(i+1).(x_(i+1) - x_i): the fall of the loss that the slopes predict
        path_turn_k      cosine of two windows in succession, each 1/k of the path
        path_slope_k     slope along a window at its end, over that at its beginning; k = 1: all

    Args:
        steps: (n,) of the checkpoints, from 0.
        products: (n, n) products (x_i - x_0).(x_j - x_0).
        slopes: (n, n) products g_i.(x_j - x_0).
        alignments: (n - 1, 3) products g.u, g'.u and u.u of the updates at the checkpoints.
        start_square: |x_0|^2.
    """
    n = len(steps) - 1
    half = alignments[alignments.shape[0] // 2 :]
    distance, early = float(products[n, n]), max(1, round(n / 8))
    columns = {
        "path_updates": float(steps[-1]),
        "path_distance": _ratio(distance, start_square) ** 0.5,
        "path_early": _ratio(float(products[early, early]), distance) ** 0.5,
        "path_noise": _ratio(steps[-1] * float(alignments[:, 2].mean()), distance) ** 0.5,
        "path_gain": _ratio(float(half[:, 1].sum()), abs(float(half[:, 0].sum()))),
        "path_fall": -float(sum(slopes[i + 1, i + 1] - slopes[i + 1, i] for i in range(n))),
        "path_slope_1": _slope(slopes, [0], n),
    }
    for part in _PARTS:
        width = max(1, n // part)
        starts = [i for i in range(n - 2 * width + 1) if i + 2 * width > n // 2]
        columns[f"path_turn_{part}"] = _turn(products, starts, width)
        starts = [i for i in range(n - width + 1) if i + width > n // 2]
        columns[f"path_slope_{part}"] = _slope(slopes, starts, width)
    return {name: value for name, value in columns.items() if np.isfinite(value)}


def _turn(products: np.ndarray, starts: list[int], width: int) -> float:
    """The cosine of neighbouring windows, pooled over windows."""

    def product(a: int, b: int, c: int, d: int) -> float:
        return float(products[b, d] - products[b, c] - products[a, d] + products[a, c])

    pairs = [(i, i + width, i + 2 * width) for i in starts]
    product_sum = sum(product(i, j, j, k) for i, j, k in pairs)
    first = sum(product(i, j, i, j) for i, j, _ in pairs)
    second = sum(product(j, k, j, k) for _, j, k in pairs)
    return _ratio(product_sum, max(first * second, 0.0) ** 0.5)


def _slope(slopes: np.ndarray, starts: list[int], width: int) -> float:
    """The slope along windows at their ends over that at their beginnings, pooled; 1: as steep."""
    begin = sum(slopes[i, i + width] - slopes[i, i] for i in starts)
    end = sum(slopes[i + width, i + width] - slopes[i + width, i] for i in starts)
    return _ratio(-float(end), abs(float(begin)))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0.0 else float("nan")


def rate_multiple(reading: Reading) -> RateMultiple | None:
    """The rate over the best rate, if the last measurements agree that it is far from it.

    Weights that have moved far stay far away, so too high a rate shows at any later time. A straight path is
    evidence only while the rate is high, and after the warm-up.

    Args:
        reading: a run with the columns of its path in its facts.
    """
    paths = _paths(reading)
    return _agreed(paths, _log_multiple_if_far, _HIGH_RANGE) or _agreed(
        _paths_at_peak(reading, paths), _log_multiple_if_straight, _LOW_RANGE
    )


def _agreed(
    paths: list[tuple[int, dict[str, float]]],
    log_multiple: Callable[[Mapping[str, float]], float | None],
    error_range: tuple[float, float],
) -> RateMultiple | None:
    """The estimate of the last measurements, if each of them has one."""
    last = paths[-_AGREEING_MEASUREMENTS:]
    known = [value for _, path in last if (value := log_multiple(path)) is not None]
    if len(known) < 2 or len(known) < len(last):
        return None
    value = float(np.median(known))
    step, path = last[-1]
    return RateMultiple(
        step=step,
        multiple=10.0**value,
        low=10.0 ** (value + error_range[0]),
        high=10.0 ** (value + error_range[1]),
        measurements=len(known),
        path=path,
    )


def times_text(factor: float) -> str:
    """A factor as text, with no more digits than an estimate has."""
    return f"{factor:.1f}" if factor < 10.0 else f"{float(f'{factor:.1g}'):,.0f}"


def path_lacks(reading: Reading) -> str | None:
    """Why the path cannot be judged; None if it can."""
    if not any(name in reading.facts for name in PATH_COLUMNS):
        return (
            "the path of the weights was not measured; attach measures it for a single optimizer"
        )
    if reading.observations.total_steps is None and reading.live:
        return "the length of the run is not known (total_steps)"
    if len(_paths(reading)) < 2:
        return (
            f"the path of the weights was not measured twice after {_FIRST_SHARE:.0%} of the run, "
            "from its first update on"
        )
    return None


def straight_path_lacks(reading: Reading) -> str | None:
    """Why it cannot be judged whether the path is too straight; None if it can."""
    if reading.objective == "adversarial":
        return "in an adversarial objective, the other network keeps the slope steep at any rate"
    lacking = path_lacks(reading)
    if lacking is None and len(_paths_at_peak(reading, _paths(reading))) < 2:
        return (
            f"the path of the weights was not measured twice between {_FIRST_SHARE:.0%} and "
            f"{_LAST_SHARE:.0%} of the run, beyond {_LEAST_WARMUPS:.0f} times the warm-up and at a tenth "
            "of the peak rate or more"
        )
    return lacking or _unexplained_loss(reading)


def moved_far(reading: Reading) -> bool:
    """Whether the weights moved as far as at the best rate, so that a low rate did not limit them."""
    known = [path for _, path in _paths(reading) if _by_distance(path) is not None]
    # the logarithm of the rate over the best rate
    return bool(known) and (_by_distance(known[-1]) or 0.0) >= 0.0


def _unexplained_loss(reading: Reading) -> str | None:
    """A sentence if the loss falls less than the slopes along the path predict; None if it does not.

    Then something other than these weights changes the loss, and keeps the slope steep.
    """
    paths, levels = _paths_at_peak(reading, _paths(reading)), reading.levels
    if not paths or not levels.step.size:
        return None
    step, path = paths[-1]
    predicted = path.get("path_fall", 0.0)
    fall = reading.start - float(np.interp(step, levels.step, levels.value))
    error = math.hypot(reading.noise / 3**0.5, reading.level_error)  # of the start, of a level
    if predicted <= 0.0 or fall >= _LEAST_FALL_SHARE * predicted - _ALLOWED_ERRORS * error:
        return None
    return (
        f"the loss fell by {fall:.3g}, but the slopes along the path predict {predicted:.3g}: something "
        "other than these weights changes the loss, such as another network"
    )


def _paths(reading: Reading) -> list[tuple[int, dict[str, float]]]:
    """The measurements of a path from the first update on, by step, without those of its first part."""
    by_step: dict[int, dict[str, float]] = {}
    for name in PATH_COLUMNS:
        for step, value in reading.facts.get(name, ()):
            by_step.setdefault(int(step), {})[name] = float(value)
    return [
        (step, path)
        for step, path in sorted(by_step.items())
        if step >= _FIRST_SHARE * reading.total_steps
        and path.get("path_updates", 0.0)
        >= step  # a path that starts later, as after a resume, does not count
    ]


def _paths_at_peak(
    reading: Reading, paths: list[tuple[int, dict[str, float]]]
) -> list[tuple[int, dict[str, float]]]:
    """The measurements at a tenth of the peak rate or more, and long after the warm-up."""
    return [
        (step, path)
        for step, path in paths
        if _LEAST_WARMUPS * reading.warmup_end <= step <= _LAST_SHARE * reading.total_steps
        and (reading.rate_at(step) or 0.0) >= _LEAST_RATE_SHARE * reading.peak
    ]


def _log_multiple_if_far(path: Mapping[str, float]) -> float | None:
    """log10 of a rate over the best rate, if the weights moved further than at a good rate."""
    value, turn = _by_distance(path), _clipped(path.get("path_turn_2", 1.0))
    if value is None or (
        turn >= _LEAST_STRAIGHT_COSINE and path["path_distance"] <= _LARGEST_GOOD_DISTANCE
    ):
        return None
    return value if value > _TOO_HIGH else None


def _log_multiple_if_straight(path: Mapping[str, float]) -> float | None:
    """log10 of a rate over the best rate, if the weights moved on a straight line and not far.

    A short distance is not enough, because wide networks and pretrained ones learn without moving far.
    The path must also be straight, and the slope along it must still be steep.
    """
    value = _by_distance(path)
    if value is None or not path.keys() >= _BY_SLOPE.keys() | _BY_TURN.keys():
        return None
    log_turn = math.log10(min(max(1.0 - _clipped(path["path_turn_2"]), 1e-3), 1.0))
    by_slope = _SLOPE_OFFSET + _weighted(path, _BY_SLOPE)
    by_turn = _TURN_OFFSET + _BY_LOG_TURN * log_turn + _weighted(path, _BY_TURN)
    has_jumped = path.get("path_early", 1.0) > _JUMP_SHARE
    if has_jumped or by_turn > _HIGHEST_STRAIGHT_ESTIMATE or by_slope > _HIGHEST_STEEP_ESTIMATE:
        return None
    return value if value < _TOO_LOW else None


def _by_distance(path: Mapping[str, float]) -> float | None:
    """log10 of a rate over the best rate, from the distance; None if there is none."""
    distance, turn = path.get("path_distance"), path.get("path_turn_2")
    if not distance or turn is None:
        return None
    log_distance = min(max(math.log10(distance), -1.5), 1.5)
    return _DISTANCE_OFFSET + _BY_LOG_DISTANCE * log_distance + _BY_TURN_2 * _clipped(turn)


def _weighted(path: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return sum(weight * _clipped(path[name]) for name, weight in weights.items())


def _clipped(value: float) -> float:
    return min(max(value, -1.0), 1.0)
