"""A cosine fitted to evenly spaced rows of a rate."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

__all__ = ["FittedCosine", "fit_cosine"]

_ROWS = 160  # enough to fix four parameters of a series without noise
_ITERATIONS = 12  # of Gauss-Newton, which converges quadratically


class FittedCosine(NamedTuple):
    """mean + amplitude cos(pi (step - crest) / half_period), amplitude at least 0."""

    mean: float
    amplitude: float
    half_period: float
    crest: float
    residual: float

    def trough_after(self, step: float) -> float:
        """The first step at or after another at which the cosine is lowest."""
        trough = self.crest + self.half_period
        periods = math.ceil((step - trough) / (2.0 * self.half_period) - 1e-9)
        return trough + 2.0 * self.half_period * periods


def fit_cosine(step: np.ndarray, value: np.ndarray) -> FittedCosine | None:
    """The cosine with the smallest largest residual; None if there is no such fit.

    Equally spaced values of a cosine obey x[i + 1] + x[i - 1] = 2 cos(theta) x[i] + const, which
    gives its frequency without a search; Gauss-Newton then makes it exact.

    Args:
        step: at least 6, in rising order.
        value: one for each step.
    """
    if step.size < 6:
        return None
    every = -(-step.size // _ROWS)
    origin, span = float(step[0]), float(step[-1] - step[0])
    time, sample = (step[::every] - origin) / span, value[::every]
    frequencies = []
    stride = 1
    while 2 * stride <= step.size - 4:
        frequency = _frequency(value, stride, span / (step.size - 1))
        if frequency is not None:
            frequencies.append(frequency * span)
        stride *= 2
    if not frequencies:
        return None
    best = min(frequencies, key=lambda omega: _linear(time, sample, omega)[1])
    refined = _refined(time, sample, best)
    if refined is None or refined[1] <= 0:
        return None
    (mean, cosine, sine), omega, residual = refined
    return FittedCosine(
        mean=mean,
        amplitude=math.hypot(cosine, sine),
        half_period=math.pi / omega * span,
        crest=origin + math.atan2(sine, cosine) / omega * span,
        residual=residual,
    )


def _frequency(value: np.ndarray, stride: int, spacing: float) -> float | None:
    """The frequency in radians per step, from values `stride` rows apart."""
    middle = value[stride:-stride]
    outer = value[2 * stride :] + value[: -2 * stride]
    centred = middle - middle.mean()
    power = float(centred @ centred)
    if power <= 0:
        return None
    cosine = 0.5 * float(centred @ (outer - outer.mean())) / power
    return math.acos(cosine) / (stride * spacing) if -1.0 < cosine < 1.0 else None


def _refined(
    time: np.ndarray, value: np.ndarray, omega: float
) -> tuple[tuple[float, float, float], float, float] | None:
    """Coefficients of 1, cos and sin, the frequency, and the largest residual."""
    coefficients = np.zeros(3)
    for _ in range(_ITERATIONS):
        cosine, sine = np.cos(omega * time), np.sin(omega * time)
        basis = np.stack([np.ones_like(time), cosine, sine], axis=1)
        coefficients = np.linalg.lstsq(basis, value, rcond=None)[0]
        residual = value - basis @ coefficients
        derivative = time * (coefficients[2] * cosine - coefficients[1] * sine)
        jacobian = np.column_stack([basis, derivative])
        change = float(np.linalg.lstsq(jacobian, residual, rcond=None)[0][3])
        if not math.isfinite(change):
            return None
        change = max(-0.3 * omega, min(0.3 * omega, change))
        omega += change
        if abs(change) <= 1e-12 * omega:
            break
    (mean, cosine_part, sine_part), largest = _linear(time, value, omega)
    return (float(mean), float(cosine_part), float(sine_part)), omega, largest


def _linear(time: np.ndarray, value: np.ndarray, omega: float) -> tuple[np.ndarray, float]:
    """The coefficients of 1, cos and sin at a frequency, and the largest residual."""
    basis = np.stack([np.ones_like(time), np.cos(omega * time), np.sin(omega * time)], axis=1)
    coefficients = np.linalg.lstsq(basis, value, rcond=None)[0]
    return coefficients, float(np.abs(value - basis @ coefficients).max())
