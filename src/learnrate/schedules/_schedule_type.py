"""Errors for operators that schedules do not have, and for a class in place of a schedule."""

from __future__ import annotations

from abc import ABCMeta
from typing import NoReturn

from learnrate._errors import ScheduleError

__all__ = ["JoinedByThen", "ScheduleType", "refuse_class"]


def refuse_class(name: str) -> NoReturn:
    """Refuse a class in place of a schedule.

    Raises:
        ScheduleError: always.
    """
    raise ScheduleError(f"{name} is a class, not a schedule. Call it, as in {name}(...).")


class ScheduleType(ABCMeta):
    """The metaclass of schedules, whose operators report that a class must be called."""

    def __mul__(cls, other: object) -> NoReturn:
        refuse_class(cls.__name__)

    __rmul__ = __mul__

    def __rshift__(cls, other: object) -> NoReturn:
        refuse_class(cls.__name__)

    __rrshift__ = __rshift__


class JoinedByThen:
    """The operator `>>` between schedules, which exists in their text form only."""

    __slots__ = ()

    def __rshift__(self, other: object) -> NoReturn:
        if isinstance(other, ScheduleType):
            refuse_class(other.__name__)
        raise ScheduleError(
            "schedules are joined with a.then(b) in Python, or with >> in a text, as in "
            "schedule('3e-4 * warmup(5%) >> cosine()'). Python has no a >> b, because it reads "
            "3e-4 * a >> b as (3e-4 * a) >> b."
        )

    __rrshift__ = __rshift__
