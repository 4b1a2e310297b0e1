"""The schedule classes by name, and the fields that they are built from."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast, get_type_hints

from learnrate.schedules._durations import number_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.schedules._base import Schedule
    from learnrate.schedules._fields import FieldKind

__all__ = [
    "SHAPES",
    "FieldRule",
    "copy_with",
    "current_name",
    "fields_of",
    "make",
    "rebuild",
    "text_of",
]

SHAPES: dict[str, type[Schedule]] = {}
_RENAMED = {"at": "boundaries"}  # fields of texts and files that earlier versions wrote


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field of a schedule class: its name, its rule, and its default in normal form."""

    name: str
    kind: FieldKind
    default: object


def make(name: str, /, **values: object) -> Schedule:
    """Build a schedule, given the name of its class in the text form."""
    build = cast("Callable[..., Schedule]", SHAPES[name])
    return build(**values)


def copy_with(schedule: Schedule, **changes: object) -> Schedule:
    """A copy of a schedule with some fields changed."""
    return cast("Schedule", replace(cast("Any", schedule), **changes))


@cache
def fields_of(cls: type[Schedule]) -> tuple[FieldRule, ...]:
    """The fields that a schedule class is built from, in order."""
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


def current_name(cls: type[Schedule], name: str) -> str:
    """The name that a field of `cls` has today, given the name in a text or file."""
    renamed = _RENAMED.get(name, name)
    return renamed if any(rule.name == renamed for rule in fields_of(cls)) else name


def text_of(value: object) -> str:
    """The text form of a field's value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(text_of, value))}]"
    return str(value)


def rebuild(cls: Callable[..., Schedule], values: dict[str, Any]) -> Schedule:
    """Build a schedule from its fields, with all checks; a pickle calls this."""
    return cls(**values)
