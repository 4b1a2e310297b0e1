"""JSON: a tree of names and fields, with its format and version."""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeAlias

from learnrate._errors import ScheduleError
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import Span
from learnrate.schedules._registry import SHAPES, fields_of, make

__all__ = ["from_json", "write"]

FORMAT = "learnrate.schedule"
VERSION = 1
_DEEPEST = 100
_Json: TypeAlias = Any


def write(schedule: Schedule) -> str:
    """The schedule as one line of JSON."""
    document = {"format": FORMAT, "version": VERSION, "schedule": _tree(schedule)}
    return json.dumps(document, allow_nan=False)


def from_json(text: str) -> Schedule:
    """The schedule that `Schedule.to_json` wrote.

    Examples:
        >>> from_json((3e-4 * from_json('{"format": "learnrate.schedule", "version": 1, '
        ...     '"schedule": {"name": "linear", "steps": 100}}')).to_json())
        schedule('3e-4 * linear(100)')

    Raises:
        ScheduleError: it is not JSON, not of this format, newer, or breaks a rule.
    """
    if not isinstance(text, str):
        raise ScheduleError(f"a schedule's JSON is text; got {type(text).__name__}.")
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_not_finite)
    except ScheduleError:
        raise
    except (ValueError, RecursionError) as error:
        raise ScheduleError(f"this is not JSON: {error}. It may be truncated.") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ScheduleError(f'this is not a schedule: it has no "format": "{FORMAT}".')
    version = document.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ScheduleError(f"the version of a schedule must be a whole number; got {version!r}.")
    if version > VERSION:
        raise ScheduleError(
            f"this schedule has version {version}; this learnrate reads up to {VERSION}. "
            "Install a newer one."
        )
    unknown = sorted(document.keys() - {"format", "version", "schedule"})
    if unknown:
        raise ScheduleError(f"unknown key {unknown[0]!r} beside 'schedule'.")
    if "schedule" not in document:
        raise ScheduleError("this schedule has no key 'schedule'.")
    return _schedule(document["schedule"], "schedule", 0)


def _tree(value: object) -> _Json:
    if isinstance(value, Schedule):
        pairs = {rule.name: getattr(value, rule.name) for rule in fields_of(type(value))}
        return {"name": value.name, **{name: _tree(each) for name, each in pairs.items()}}
    if isinstance(value, tuple):
        return [_tree(each) for each in value]
    if isinstance(value, Span):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ScheduleError(f"{value!r} cannot be written as JSON: a function has no text form.")


def _schedule(tree: _Json, where: str, depth: int) -> Schedule:
    if depth > _DEEPEST:
        raise ScheduleError(f"a schedule may be nested {_DEEPEST} deep; {where} is deeper.")
    if not isinstance(tree, dict) or not isinstance(tree.get("name"), str):
        raise ScheduleError(f"{where} must be an object with a 'name'.")
    cls = SHAPES.get(tree["name"])
    if cls is None:
        raise ScheduleError(f"{where} has an unknown name {tree['name']!r}.")
    rules = fields_of(cls)
    unknown = sorted(tree.keys() - {"name", *(rule.name for rule in rules)})
    if unknown:
        raise ScheduleError(f"{where} ({cls.name}) has an unknown key {unknown[0]!r}.")
    values = {name: _field(each, f"{where}.{name}", depth) for name, each in tree.items()}
    del values["name"]
    try:
        return make(cls.name, **values)
    except TypeError:
        raise ScheduleError(f"{where} ({cls.name}) lacks a key it needs.") from None
    except ScheduleError as error:
        raise ScheduleError(f"{where}: {error}") from None


def _field(value: _Json, where: str, depth: int) -> object:
    if isinstance(value, dict):
        return _schedule(value, where, depth + 1)
    if isinstance(value, list):
        return tuple(_field(each, f"{where}[{i}]", depth + 1) for i, each in enumerate(value))
    return value


def _once(pairs: list[tuple[str, _Json]]) -> dict[str, _Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ScheduleError("a key stands twice in one object of this JSON.")
    return found


def _not_finite(word: str) -> NoReturn:
    raise ScheduleError(f"a number must be finite; got {word}.")
