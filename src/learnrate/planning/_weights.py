"""Weights over values on a grid, and their logarithms. Pure arithmetic."""

from __future__ import annotations

import numpy as np

__all__ = ["log_normal", "log_sum_exp", "middle", "summing_to_one"]


def middle(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """The median of weighted values, and half of what lies between their 16th and 84th per cent."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order])
    low, half, high = np.interp(np.array([0.16, 0.5, 0.84]) * below[-1], below, values[order])
    return float(half), float(high - low) / 2


def summing_to_one(log_weight: np.ndarray) -> np.ndarray:
    """Weights from their logarithms, which may lack any constant."""
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def log_sum_exp(values: np.ndarray, axis: int) -> np.ndarray:
    """The logarithm of the sum of exponentials along an axis."""
    highest = values.max(axis=axis, keepdims=True)
    summed = np.log(np.exp(values - highest).sum(axis=axis, keepdims=True)) + highest
    return np.asarray(summed.squeeze(axis))


def log_normal(value: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    """The logarithm of a normal density, to a constant."""
    return np.asarray(-0.5 * ((value - mean) / deviation) ** 2)
