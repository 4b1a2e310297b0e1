"""How long: steps, a share of the run, epochs, samples, tokens or seconds, and how they become steps."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from learnrate._errors import ScheduleError

if TYPE_CHECKING:
    from learnrate.schedules._base import Schedule

__all__ = [
    "UNITS",
    "Clock",
    "Deadline",
    "Duration",
    "RunLength",
    "Span",
    "number_text",
    "round_half_up",
]

UNITS = {"%": "a share of the run", "ep": "epochs", "sa": "samples", "tok": "tokens"}
_SPAN = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?(%|ep|sa|tok)")


@dataclass(frozen=True, slots=True)
class Span:
    """A duration that is not yet a number of steps: `Span(5, "%")`, typed as `"5%"`.

    Args:
        number: How many units, finite and at least 0; at most 100 with the unit `%`.
        unit: `%` (of the whole run), `ep` (epochs), `sa` (samples) or `tok` (tokens).

    Raises:
        ScheduleError: `number` or `unit` breaks its rule.

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
        if not 0 <= self.number < math.inf:
            raise ScheduleError(f"a duration must be finite and at least 0; got {self}.")
        if self.unit == "%" and self.number > 100:
            raise ScheduleError(f"a share of the run must be at most 100%; got {self}.")

    @classmethod
    def read(cls, text: str) -> Span:
        """Read a duration with a unit, such as `"5%"`.

        Raises:
            ScheduleError: `text` is not a number followed by a unit.
        """
        match = _SPAN.fullmatch(text)
        if match is None:
            raise ScheduleError(
                f"a duration is a whole number of steps, or text such as '5%', '2ep', '1e6sa' or "
                f"'1e9tok'; got {text!r}."
            )
        return cls(float(match[1] + (match[2] or "")), match[3])

    def __str__(self) -> str:
        return number_text(self.number) + self.unit


Duration: TypeAlias = int | str | Span | None


@dataclass(frozen=True, slots=True)
class Clock:
    """The epochs, samples and tokens of one step, to read durations in these units.

    Args:
        steps_per_epoch: Optimizer updates per epoch; needed for durations in `ep`.
        samples_per_step: Samples per optimizer update; needed for durations in `sa`.
        tokens_per_step: Tokens per optimizer update; needed for durations in `tok`.

    Raises:
        ScheduleError: one of them is not finite and above 0.

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
            number = isinstance(value, np.integer | np.floating) or _is_number(value)
            if not number or not 0 < value < math.inf:
                raise ScheduleError(
                    f"Clock({name}=...) must be finite and above 0; got {value!r}."
                )

    def steps_of(self, span: Span) -> Fraction:
        """The exact number of steps in a duration of epochs, samples or tokens.

        Raises:
            ScheduleError: the clock does not know how long one unit is.
        """
        number = _exact(span.number)
        if span.unit == "ep" and self.steps_per_epoch is not None:
            return number * _exact(self.steps_per_epoch)
        if span.unit == "sa" and self.samples_per_step is not None:
            return number / _exact(self.samples_per_step)
        if span.unit == "tok" and self.tokens_per_step is not None:
            return number / _exact(self.tokens_per_step)
        missing = {"ep": "steps_per_epoch", "sa": "samples_per_step", "tok": "tokens_per_step"}
        raise ScheduleError(
            f"{span} is counted in {UNITS[span.unit]}. Give their length with "
            f".over(total_steps, clock=Clock({missing[span.unit]}=...)), or write it in updates or "
            "as a share of the run, such as 5%."
        )


@dataclass(frozen=True, slots=True)
class RunLength:
    """The run that a schedule is bound to: its number of steps, and what a step stands for."""

    total_steps: int
    clock: Clock

    def exact_steps(self, duration: int | Span) -> Fraction:
        """The exact length of a duration in steps, before rounding."""
        if isinstance(duration, int):
            return Fraction(duration)
        if duration.unit == "%":
            return _exact(duration.number) * self.total_steps / 100
        return self.clock.steps_of(duration)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A bound schedule read by elapsed time: at half the time it is at half its steps.

        value(elapsed) = schedule(floor(total_steps elapsed / seconds))

    The time is an argument and is never read from the machine, so the same times give the same
    rates. From `seconds` on, the value is that after the last step.

    Args:
        schedule: A bound schedule; its number of steps is the resolution in time.
        seconds: How long the run may take, in seconds, finite and above 0.

    Raises:
        ScheduleError: the schedule is not bound, or `seconds` breaks its rule.

    Examples:
        >>> from learnrate.schedules import Linear
        >>> by_eight = Linear(1000).by_deadline(seconds=8 * 3600)
        >>> by_eight(0), by_eight(4 * 3600), by_eight(9 * 3600)
        (1.0, 0.5, 0.0)
        >>> print(by_eight)
        deadline(linear(1000), seconds=28800)

    `learnrate.schedules.timed` reads this text. `attach`, `train` and `to_torch` take a deadline, also
    as text, and count the seconds from their call on.
    """

    schedule: Schedule
    seconds: float

    def __post_init__(self) -> None:
        if not self.schedule.bound:
            raise ScheduleError(
                f"Deadline(schedule=...) must be a bound schedule; got {self.schedule}. "
                "Give its number of steps: .by_deadline(seconds, total_steps=10_000)."
            )
        if not _is_number(self.seconds) or not 0 < self.seconds < math.inf:
            raise ScheduleError(
                f"Deadline(seconds=...) must be finite and above 0; got {self.seconds!r}."
            )

    def __str__(self) -> str:
        return f"deadline({self.schedule}, seconds={number_text(self.seconds)})"

    def __call__(self, elapsed: float) -> float:
        """The rate after `elapsed` seconds."""
        return self.schedule(self.step(elapsed))

    def step(self, elapsed: float) -> int:
        """The step of the schedule that stands for `elapsed` seconds, at least 0.

        Raises:
            ScheduleError: `elapsed` is negative or not a number.
        """
        if not _is_number(elapsed) or not elapsed >= 0:
            raise ScheduleError(f"elapsed must be at least 0 seconds; got {elapsed!r}.")
        total_steps = self.schedule.total_steps or 0
        return math.floor(total_steps * min(elapsed / self.seconds, 1.0))


def round_half_up(position: Fraction) -> int:
    """The step boundary nearest to an exact position; halves go up."""
    return math.floor(position + Fraction(1, 2))


def number_text(number: float) -> str:
    """A short decimal text that reads back as `number`; 10000 stays as it is.

    Examples:
        >>> number_text(0.0003), number_text(0.01), number_text(1000.0), number_text(1e6)
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
    power += len(figures) - 1
    mantissa = short[0] + ("." + short[1:] if len(short) > 1 else "")
    scientific = f"{sign}{mantissa}e{power}"
    saved = len(plain) - len(scientific)
    return scientific if saved > (2 if abs(number) >= 1 else 0) else plain


def _exact(number: float) -> Fraction:
    # By its decimal text: 33.3 means 333/10, not the binary number beside it.
    return Fraction(repr(float(number)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
