"""How long: steps, a share of the run, epochs, samples or tokens; and how they become steps."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from learnrate._errors import ScheduleError

__all__ = ["UNITS", "Clock", "Duration", "Run", "Span", "nearest", "shortest"]

UNITS = {"%": "a share of the run", "ep": "epochs", "sa": "samples", "tok": "tokens"}
_SPAN = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?(%|ep|sa|tok)")


@dataclass(frozen=True, slots=True)
class Span:
    """A duration that is not yet a number of steps: `Span(5, "%")`, typed as `"5%"`.

    `unit` is `%` (of the whole run), `ep` (epochs), `sa` (samples) or `tok` (tokens).

    Examples:
        >>> print(Span.read("5%"), Span.read("1e6sa"))
        5% 1e6sa
    """

    number: float
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ScheduleError(
                f"Span(unit=...) must be one of {', '.join(UNITS)}; got {self.unit!r}."
            )
        if not 0 < self.number < math.inf:
            raise ScheduleError(f"a duration must be finite and above 0; got {self}.")
        if self.unit == "%" and self.number > 100:
            raise ScheduleError(f"a share of the run must be at most 100%; got {self}.")

    @classmethod
    def read(cls, text: str) -> Span:
        """The duration written as `text`."""
        found = _SPAN.fullmatch(text)
        if found is None:
            raise ScheduleError(
                f"a duration is a whole number of steps, or text such as '5%', '2ep', '1e6sa' or "
                f"'1e9tok'; got {text!r}."
            )
        return cls(float(found[1] + (found[2] or "")), found[3])

    def __str__(self) -> str:
        return shortest(self.number) + self.unit


Duration: TypeAlias = int | str | Span | None


@dataclass(frozen=True, slots=True)
class Clock:
    """What one step stands for, to read durations in epochs, samples and tokens.

    Examples:
        >>> Clock(steps_per_epoch=390, samples_per_step=128).steps_of(Span(2, "ep"))
        Fraction(780, 1)
    """

    steps_per_epoch: float | None = None
    samples_per_step: float | None = None
    tokens_per_step: float | None = None

    def __post_init__(self) -> None:
        for name in ("steps_per_epoch", "samples_per_step", "tokens_per_step"):
            value = getattr(self, name)
            if value is None:
                continue
            real = isinstance(value, int | float | np.integer | np.floating)
            if isinstance(value, bool) or not real or not 0 < value < math.inf:
                raise ScheduleError(
                    f"Clock({name}=...) must be finite and above 0; got {value!r}."
                )

    def steps_of(self, span: Span) -> Fraction:
        """The exact number of steps in epochs, samples or tokens."""
        number = _exact(span.number)
        if span.unit == "ep" and self.steps_per_epoch is not None:
            return number * _exact(self.steps_per_epoch)
        if span.unit == "sa" and self.samples_per_step is not None:
            return number / _exact(self.samples_per_step)
        if span.unit == "tok" and self.tokens_per_step is not None:
            return number / _exact(self.tokens_per_step)
        missing = {"ep": "steps_per_epoch", "sa": "samples_per_step", "tok": "tokens_per_step"}
        raise ScheduleError(
            f"{span} is counted in {UNITS[span.unit]}; say how long one is with "
            f".over(total_steps, clock=Clock({missing[span.unit]}=...))."
        )


@dataclass(frozen=True, slots=True)
class Run:
    """The run that a schedule is laid over: `total_steps` steps, and what a step stands for."""

    total_steps: int
    clock: Clock

    def exact(self, duration: int | Span) -> Fraction:
        """The exact length of a duration in steps, before rounding."""
        if isinstance(duration, int):
            return Fraction(duration)
        if duration.unit == "%":
            return _exact(duration.number) * self.total_steps / 100
        return self.clock.steps_of(duration)


def nearest(position: Fraction) -> int:
    """The boundary nearest to an exact position; halves go up."""
    return math.floor(position + Fraction(1, 2))


def shortest(number: float) -> str:
    """A short decimal text that reads back as `number`; 10000 stays as it is.

    Examples:
        >>> shortest(0.0003), shortest(0.01), shortest(1000.0), shortest(1e6)
        ('3e-4', '0.01', '1000', '1e6')
    """
    plain = repr(float(number)).removesuffix(".0")
    digits, _, exponent = plain.lower().partition("e")
    sign = "-" if digits.startswith("-") else ""
    whole, _, fraction = digits.removeprefix("-").partition(".")
    figures = (whole + fraction).lstrip("0")
    power = int(exponent or 0) - len(fraction)
    short = figures.rstrip("0")
    if not short:
        return "0"
    power += len(figures) - len(short)
    power += len(short) - 1
    mantissa = short[0] + ("." + short[1:] if len(short) > 1 else "")
    scientific = f"{sign}{mantissa}e{power}"
    saved = len(plain) - len(scientific)
    return scientific if saved > (2 if abs(number) >= 1 else 0) else plain


def _exact(number: float) -> Fraction:
    # By its decimal text: 33.3 means 333/10, not the binary number beside it.
    return Fraction(repr(float(number)))
