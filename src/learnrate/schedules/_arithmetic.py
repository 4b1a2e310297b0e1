"""The same numbers for one step and for many.

A formula is written once and runs on a Python float or on a float64 array, equal to the last bit.
What IEEE 754 rounds exactly (+ - * / sqrt, comparisons, floor) may take the fast way of either
kind; what it does not (cos, exp, power) goes through the one NumPy loop for both.
"""

from __future__ import annotations

import math
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

__all__ = [
    "FloatArray",
    "Value",
    "choose",
    "cos",
    "exp",
    "floor",
    "highest",
    "least",
    "log",
    "power",
    "powers",
    "sqrt",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
Value: TypeAlias = float | FloatArray


def least(left: Value, right: Value) -> Value:
    """The smaller of two values."""
    if isinstance(left, float) and isinstance(right, float):
        return min(right, left)
    return cast("FloatArray", np.minimum(left, right))


def highest(left: Value, right: Value) -> Value:
    """The larger of two values."""
    if isinstance(left, float) and isinstance(right, float):
        return max(right, left)
    return cast("FloatArray", np.maximum(left, right))


def floor(value: Value) -> Value:
    """The next whole number at or below."""
    return float(math.floor(value)) if isinstance(value, float) else np.floor(value)


def sqrt(value: Value) -> Value:
    """The square root."""
    return math.sqrt(value) if isinstance(value, float) else np.sqrt(value)


def cos(value: Value) -> Value:
    """The cosine."""
    return float(np.cos(value)) if isinstance(value, float) else np.cos(value)


def exp(value: Value) -> Value:
    """The exponential."""
    return float(np.exp(value)) if isinstance(value, float) else np.exp(value)


def log(value: Value) -> Value:
    """The natural logarithm."""
    return float(np.log(value)) if isinstance(value, float) else np.log(value)


def power(base: Value, exponent: float) -> Value:
    """The values to one fixed exponent."""
    # Some loops of NumPy take a short way for these three, others call pow.
    if exponent == 1.0:
        return base
    if exponent == 2.0:
        return base * base
    if exponent == 0.5:
        return sqrt(base)
    return float(np.power(base, exponent)) if isinstance(base, float) else np.power(base, exponent)


def powers(base: float, exponent: Value) -> Value:
    """One fixed base to the values."""
    if base == 1.0:
        return 1.0
    if isinstance(exponent, float):
        # Two exponents, because NumPy takes a short way (a square, a root) for a single one.
        return float(np.power(base, np.array((exponent, 1.25)))[0])
    return cast("FloatArray", np.power(base, exponent))


def choose(condition: bool | npt.NDArray[np.bool_], yes: Value, no: Value) -> Value:
    """`yes` where the condition holds, `no` elsewhere."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no
