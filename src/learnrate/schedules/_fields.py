"""The kinds of fields of a schedule: one rule for each kind, stated in the annotation."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeAlias

import numpy as np

from learnrate._errors import ScheduleError
from learnrate.schedules._durations import Duration, Span, round_half_up

if TYPE_CHECKING:
    from learnrate.schedules._durations import RunLength

__all__ = [
    "Boundaries",
    "Cutoff",
    "Factor",
    "FieldError",
    "FieldKind",
    "Flag",
    "Floor",
    "Growth",
    "Length",
    "Number",
    "Period",
    "PeriodRule",
    "Steps",
    "Values",
    "Whole",
    "Word",
    "all_steps",
    "refuse",
    "whole_number",
]

_LONGEST_TABLE = 100_000_000  # steps; their rates take 800 MB


class FieldError(ScheduleError):
    """An argument of a schedule breaks its rule."""

    def __init__(self, message: str, argument: str) -> None:
        super().__init__(message)
        self.argument = argument

    def __reduce__(self) -> tuple[type[FieldError], tuple[str, str]]:
        return type(self), (str(self), self.argument)


def refuse(owner: str, argument: str, rule: str, value: object, way_out: str = "") -> NoReturn:
    """Refuse an argument.

    Args:
        owner: Name of the schedule's class.
        argument: Name of the argument.
        rule: What the argument must be, as in "must be {rule}".
        value: What was given.
        way_out: A sentence that says what to write instead.

    Raises:
        FieldError: always.
    """
    shown = str(value) if isinstance(value, Span) else repr(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    message = f"{owner}({argument}=...) must be {rule}; got {shown}."
    raise FieldError(f"{message} {way_out}".rstrip(), argument)


def whole_number(value: object) -> int | None:
    """An int or a NumPy integer as an int; None for anything else, booleans included."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    return None


class FieldKind(ABC):
    """The rule of a field: checks and normalises a value, and binds it to a run."""

    @abstractmethod
    def check(self, owner: str, name: str, value: object) -> object:
        """Return the value in its normal form.

        Args:
            owner: Name of the schedule's class, for the error.
            name: Name of the field, for the error.
            value: What was given.

        Raises:
            FieldError: the value breaks the rule.
        """

    def ready(self, value: object) -> bool:
        """Whether the value can be used as it is, without binding it to a run."""
        return True

    def resolve(self, value: object, run: RunLength) -> object:
        """Bind the value to a run: durations become steps."""
        return value


@dataclass(frozen=True, slots=True)
class Number(FieldKind):
    """A finite number from `low` to `high`; `exclude_low` refuses `low` itself."""

    low: float = -math.inf
    high: float = math.inf
    exclude_low: bool = False
    optional: bool = False
    way_out: str = ""

    def check(self, owner: str, name: str, value: object) -> float | None:
        """The value as a float.

        Args:
            owner: Name of the schedule's class, for the error.
            name: Name of the field, for the error.
            value: What was given: a finite number in the range, or None if `optional`.
        """
        if value is None and self.optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            refuse(owner, name, "a number", value)
        try:
            number = float(value) + 0.0  # -0.0 becomes 0.0
        except (OverflowError, TypeError):
            refuse(owner, name, "a finite number", value)
        if not math.isfinite(number):
            refuse(owner, name, "a finite number", value)
        if not self.low <= number <= self.high or (self.exclude_low and number == self.low):
            refuse(owner, name, self._rule(), value, self.way_out)
        return number

    def _rule(self) -> str:
        low, high = f"{self.low:g}", f"{self.high:g}"
        if self.low == -math.inf:
            return f"at most {high}"
        if self.high == math.inf:
            return f"above {low}" if self.exclude_low else f"at least {low}"
        return f"above {low} and at most {high}" if self.exclude_low else f"from {low} to {high}"


@dataclass(frozen=True, slots=True)
class Whole(FieldKind):
    """A whole number of at least `low`."""

    low: int = 0

    def check(self, owner: str, name: str, value: object) -> int:
        """The value as an int.

        Args:
            owner: Name of the schedule's class, for the error.
            name: Name of the field, for the error.
            value: What was given: a whole number from `low` to 2**63 - 1.
        """
        number = whole_number(value)
        if number is None or not self.low <= number < 2**63:
            refuse(owner, name, f"a whole number of at least {self.low}", value)
        return number


@dataclass(frozen=True, slots=True)
class Length(FieldKind):
    """A duration: a whole number of steps, a share or other span, or None where allowed."""

    optional: bool = True
    low: int = 0

    def check(self, owner: str, name: str, value: object) -> int | Span | None:
        """The value as an int, a `Span` or None.

        Args:
            owner: Name of the schedule's class, for the error.
            name: Name of the field, for the error.
            value: What was given: `low` to 2**53 steps, a span ("5%"), or None if `optional`.
        """
        if value is None and self.optional:
            return None
        if isinstance(value, str):
            return _read_span(owner, name, value)
        if isinstance(value, Span):
            return value
        number = whole_number(value)
        if number is None:
            rule = "a whole number of steps or a share such as '5%'"
            refuse(owner, name, rule, value)
        if number < self.low:
            way_out = "Leave it out to take what is left of the run." if self.optional else ""
            refuse(owner, name, f"at least {self.low}", value, way_out)
        if number > 2**53:
            refuse(owner, name, "at most 2**53", value)
        return number

    def ready(self, value: object) -> bool:
        """Whether the length is a number of steps."""
        return isinstance(value, int)

    def resolve(self, value: object, run: RunLength) -> object:
        """A share of the run in whole steps, half rounded up; a number as it is."""
        return round_half_up(run.exact_steps(value)) if isinstance(value, Span) else value


@dataclass(frozen=True, slots=True)
class PeriodRule(FieldKind):
    """How often something happens: a number of steps above 0, not rounded, or a span."""

    def check(self, owner: str, name: str, value: object) -> float | Span:
        """The value as a float or a `Span`.

        Args:
            owner: Name of the schedule's class, for the error.
            name: Name of the field, for the error.
            value: What was given: a number of steps above 0, or a span such as "5%".
        """
        if isinstance(value, str):
            value = _read_span(owner, name, value)
        if isinstance(value, Span):
            if value.number == 0:
                refuse(owner, name, "above 0", value)
            return value
        number = Number(low=0, exclude_low=True).check(owner, name, value)
        return 0.0 if number is None else number

    def ready(self, value: object) -> bool:
        """Whether the period is a number of steps."""
        return isinstance(value, float)

    def resolve(self, value: object, run: RunLength) -> object:
        """A share of the run in steps, not rounded; a number as it is."""
        return float(run.exact_steps(value)) if isinstance(value, Span) else value


@dataclass(frozen=True, slots=True)
class Word(FieldKind):
    """A field that takes one of the given words."""

    words: tuple[str, ...]

    def check(self, owner: str, name: str, value: object) -> str:
        """The word itself.

        Args:
            owner: Name of the schedule's class, for the error.
            name: Name of the field, for the error.
            value: What was given: one of `words`.
        """
        if isinstance(value, str) and value in self.words:
            return value
        refuse(owner, name, f"one of {', '.join(self.words)}", value)


@dataclass(frozen=True, slots=True)
class FlagRule(FieldKind):
    """The rule of a field that is true or false."""

    def check(self, owner: str, name: str, value: object) -> bool:
        """The value as a bool.

        Args:
            owner: Name of the schedule's class, for the error.
            name: Name of the field, for the error.
            value: What was given: True or False.
        """
        if isinstance(value, bool | np.bool_):
            return bool(value)
        refuse(owner, name, "true or false", value)


@dataclass(frozen=True, slots=True)
class Listed(FieldKind):
    """A list whose elements obey one rule; with `rising`, none is below the one before it."""

    element: FieldKind
    min_length: int = 1
    rising: bool = False

    def check(self, owner: str, name: str, value: object) -> tuple[object, ...]:
        """The elements as a tuple.

        Args:
            owner: Name of the schedule's class, for the error.
            name: Name of the field, for the error.
            value: What was given: a list, tuple or array of at least `min_length` elements.
        """
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if not isinstance(value, list | tuple) or len(value) < self.min_length:
            plural = "s" * (self.min_length > 1)
            refuse(owner, name, f"a list of at least {self.min_length} element{plural}", value)
        elements = tuple(self.element.check(owner, name, element) for element in value)
        if self.rising and any(_falls(left, right) for left, right in pairwise(elements)):
            refuse(owner, name, "in rising order, so that no pieces overlap", value)
        return elements

    def ready(self, value: object) -> bool:
        """Whether the value is a tuple and all its elements are ready."""
        return isinstance(value, tuple) and all(self.element.ready(element) for element in value)

    def resolve(self, value: object, run: RunLength) -> object:
        """Bind every element to the run."""
        elements = value if isinstance(value, tuple) else ()
        return tuple(self.element.resolve(element, run) for element in elements)


def _falls(left: object, right: object) -> bool:
    if isinstance(left, int) and isinstance(right, int):
        return right < left
    if isinstance(left, Span) and isinstance(right, Span) and left.unit == right.unit:
        return right.number < left.number
    return False


def _read_span(owner: str, name: str, text: str) -> Span:
    try:
        return Span.read(text)
    except ScheduleError as error:
        raise FieldError(f"{owner}({name}=...): {error}", name) from None


Steps: TypeAlias = Annotated[Duration, Length()]
Wait: TypeAlias = Annotated[Duration, Length(optional=False)]
Cutoff: TypeAlias = Annotated[Duration, Length(optional=False, low=1)]
Period: TypeAlias = Annotated[float | str | Span, PeriodRule()]
Floor: TypeAlias = Annotated[float, Number(low=0, high=1)]
Flag: TypeAlias = Annotated[bool, FlagRule()]
Boundaries: TypeAlias = Annotated[
    tuple[int | str | Span, ...], Listed(Length(optional=False), rising=True)
]
Factor: TypeAlias = Annotated[float, Number(low=0, high=1, exclude_low=True)]
Growth: TypeAlias = Annotated[float, Number(low=0, exclude_low=True)]
Values: TypeAlias = Annotated[tuple[float, ...], Listed(Number(low=0))]


def all_steps(total_steps: int) -> np.ndarray:
    """The steps of a run, to compute the rate of each.

    Raises:
        ScheduleError: there are more than 100,000,000.
    """
    if total_steps > _LONGEST_TABLE:
        raise ScheduleError(
            f"The rates of all steps can be listed for at most {_LONGEST_TABLE:,} steps; got "
            f"{total_steps:,}. Give a smaller total_steps."
        )
    return np.arange(total_steps)
