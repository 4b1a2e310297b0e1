"""Arithmetic that gives the same numbers for one step and for an array of steps.

A formula is written once and runs on a Python float or on a float64 array, with results that are
equal to the last bit. Operations that IEEE 754 rounds exactly (+ - * / sqrt, comparisons, floor)
use the fast version for either type; the others (cos, exp, power) use NumPy's loop for both.
"""

from __future__ import annotations

import math
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

__all__ = [
    "FloatArray",
    "Value",
    "bounded_powers",
    "choose",
    "cos",
    "exp",
    "floor",
    "log",
    "maximum",
    "minimum",
    "power",
    "powers",
    "sqrt",
    "tanh",
]

LARGEST = 1e30  # of a shape that grows without an end

FloatArray: TypeAlias = npt.NDArray[np.float64]
Value: TypeAlias = float | FloatArray


def minimum(left: Value, right: Value) -> Value:
    """The smaller of two numbers, or elementwise of arrays."""
    if isinstance(left, float) and isinstance(right, float):
        return min(right, left)
    return cast("FloatArray", np.minimum(left, right))


def maximum(left: Value, right: Value) -> Value:
    """The larger of two numbers, or elementwise of arrays."""
    if isinstance(left, float) and isinstance(right, float):
        return max(right, left)
    return cast("FloatArray", np.maximum(left, right))


def floor(value: Value) -> Value:
    """The largest whole number that is not above the value."""
    return float(math.floor(value)) if isinstance(value, float) else np.floor(value)


def sqrt(value: Value) -> Value:
    """The square root of a number or of each element, the same to the last bit."""
    return math.sqrt(value) if isinstance(value, float) else np.sqrt(value)


def cos(value: Value) -> Value:
    """The cosine of a number or of each element, the same to the last bit."""
    return float(np.cos(value)) if isinstance(value, float) else np.cos(value)


def exp(value: Value) -> Value:
    """The exponential of a number or of each element, the same to the last bit."""
    return float(np.exp(value)) if isinstance(value, float) else np.exp(value)


def tanh(value: Value) -> Value:
    """The hyperbolic tangent of a number or of each element, the same to the last bit."""
    return float(np.tanh(value)) if isinstance(value, float) else np.tanh(value)


def log(value: Value) -> Value:
    """The natural logarithm of a number or of each element, the same to the last bit."""
    return float(np.log(value)) if isinstance(value, float) else np.log(value)


def power(base: Value, exponent: float) -> Value:
    """A number, or each element of an array, to a power, the same to the last bit."""
    # For these three, some of NumPy's loops have a shortcut and others call pow.
    if exponent == 1.0:
        return base
    if exponent == 2.0:
        return base * base
    if exponent == 0.5:
        return sqrt(base)
    return float(np.power(base, exponent)) if isinstance(base, float) else np.power(base, exponent)


def powers(base: float, exponent: Value) -> Value:
    """Raise one base to the exponents given."""
    if base == 1.0:
        return 1.0
    if isinstance(exponent, float):
        # Two exponents, because NumPy has a shortcut (a square, a root) for a single one.
        return float(np.power(base, np.array((exponent, 1.25)))[0])
    return cast("FloatArray", np.power(base, exponent))


def bounded_powers(base: float, exponent: Value) -> Value:
    """Raise one base to the exponents given, but not above `LARGEST`."""
    if base > 1.0:
        exponent = minimum(exponent, math.log(LARGEST) / math.log(base))
    return powers(base, exponent)


def choose(condition: bool | npt.NDArray[np.bool_], yes: Value, no: Value) -> Value:
    """`yes` where the condition holds, `no` elsewhere.

    Args:
        condition: One truth value or an array of them.
        yes: The value, or an array of values, where the condition is true.
        no: The value, or an array of values, where the condition is false.
    """
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no
