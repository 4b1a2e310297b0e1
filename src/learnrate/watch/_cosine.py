"""A cosine fitted to the rows of a rate."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

__all__ = ["FittedCosine", "fit_cosine", "fit_started_cosine"]

_ROWS = 160  # enough to determine four parameters of a series without noise
_ITERATIONS = 12  # of Gauss-Newton, which converges quadratically
_PER_HALF_PERIOD = 8  # frequencies tried between two that differ by half a period over the rows
_SHIFTS = (-1, 0, 1)  # some tools count updates from 1, and some log the rate of the next update


class FittedCosine(NamedTuple):
    """The value is mean + amplitude cos(pi (step - crest) / half_period), amplitude at least 0."""

    mean: float
    amplitude: float
    half_period: float
    crest: float
    residual: float

    def at(self, step: np.ndarray) -> np.ndarray:
        """The value is mean + amplitude cos(pi (step - crest) / half_period)."""
        phase = np.pi * (step - self.crest) / self.half_period
        return np.asarray(self.mean + self.amplitude * np.cos(phase))

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


def fit_started_cosine(
    step: np.ndarray, value: np.ndarray, *, least_half_periods: float, tolerance: float
) -> FittedCosine | None:
    """The cosine with its crest at step 0 that falls to 0; None if the values lie on none.

    It has two parameters, so three different values determine it, even if the rows are unevenly spaced and up
    to two half periods apart. Two alternating values determine it too, because few frequencies give them.

    Args:
        step: (n,) in rising order.
        value: (n,) at least 0, not all 0.
        least_half_periods: from step 0 to the last row.
        tolerance: the largest distance of a value from the cosine.
    """
    span, spacing = float(step[-1]), float(np.median(np.diff(step)))
    lowest = least_half_periods * math.pi / span
    grid = np.arange(lowest, 2.0 * math.pi / spacing, math.pi / (_PER_HALF_PERIOD * span))
    for shift in _SHIFTS:
        time = step + shift
        basis = 0.5 + 0.5 * np.cos(grid[:, None] * time)
        amplitude = (basis @ value) / (basis * basis).sum(axis=1)
        missed = np.abs(value - amplitude[:, None] * basis).max(axis=1)
        if not missed.size:
            return None
        # Between two frequencies of the grid a phase changes by at most a 16th of a half period.
        near = np.flatnonzero(missed <= tolerance + 0.2 * amplitude)
        for omega in grid[near].tolist():
            cosine = _refined_started(time, value, omega)
            if cosine.residual <= tolerance and math.pi / cosine.half_period >= lowest:
                return cosine._replace(crest=-float(shift))
    return None


def _refined_started(time: np.ndarray, value: np.ndarray, omega: float) -> FittedCosine:
    """The cosine with its crest at time 0 that falls to 0, near a frequency."""
    for _ in range(_ITERATIONS):
        basis = 0.5 + 0.5 * np.cos(omega * time)
        height = float(basis @ value / (basis @ basis))
        slope = -0.5 * height * time * np.sin(omega * time)
        power = float(slope @ slope)
        if power <= 0:
            break
        change = float(slope @ (value - height * basis)) / power
        omega += max(-0.02 * omega, min(0.02 * omega, change))
        if abs(change) <= 1e-12 * omega:
            break
    basis = 0.5 + 0.5 * np.cos(omega * time)
    height = float(basis @ value / (basis @ basis))
    return FittedCosine(
        mean=0.5 * height,
        amplitude=0.5 * height,
        half_period=math.pi / omega,
        crest=0.0,
        residual=float(np.abs(value - height * basis).max()),
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
