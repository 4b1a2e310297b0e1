"""The schedule classes by their names, and the fields they are built from."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast, get_type_hints

from learnrate.schedules._durations import shortest

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.schedules._base import Schedule
    from learnrate.schedules._fields import Kind

__all__ = ["SHAPES", "FieldRule", "changed", "fields_of", "make", "rebuilt", "spelled"]

SHAPES: dict[str, type[Schedule]] = {}


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field of a schedule class: its name, its rule, its default in normal form."""

    name: str
    kind: Kind
    default: object


def make(name: str, /, **values: object) -> Schedule:
    """A schedule by the name of its class in the text form."""
    build = cast("Callable[..., Schedule]", SHAPES[name])
    return build(**values)


def changed(schedule: Schedule, **changes: object) -> Schedule:
    """A copy with other fields."""
    return cast("Schedule", replace(cast("Any", schedule), **changes))


@cache
def fields_of(cls: type[Schedule]) -> tuple[FieldRule, ...]:
    """The fields a schedule class is built from, in order."""
    hints = get_type_hints(cls, include_extras=True)
    rules = []
    for field in fields(cast("Any", cls)):
        if not field.init:
            continue
        kind = hints[field.name].__metadata__[0]
        default = field.default
        if default is not MISSING:
            default = kind.check(cls.__name__, field.name, default)
        rules.append(FieldRule(field.name, kind, default))
    return tuple(rules)


def spelled(value: object) -> str:
    """A value of a field in the text form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return shortest(value)
    if isinstance(value, tuple):
        return f"[{', '.join(spelled(each) for each in value)}]"
    return str(value)


def rebuilt(cls: Callable[..., Schedule], values: dict[str, Any]) -> Schedule:
    """What a pickle calls to make a schedule anew, with its checks."""
    return cls(**values)
