"""Schedules as JSON: a tree of names and fields, with its format and version."""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeAlias

from learnrate._checks import kind_of
from learnrate._errors import ScheduleError
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import Span
from learnrate.schedules._registry import SHAPES, current_name, fields_of, make

__all__ = ["from_json", "write"]

FORMAT = "learnrate.schedule"
VERSION = 1
_MAX_DEPTH = 100
_Json: TypeAlias = Any


def write(schedule: Schedule) -> str:
    """The schedule as one line of JSON."""
    document = {"format": FORMAT, "version": VERSION, "schedule": _tree(schedule)}
    return json.dumps(document, allow_nan=False)


def from_json(text: str) -> Schedule:
    """Read the schedule that `Schedule.to_json` wrote, in this version or an earlier one.

    Examples:
        >>> from_json((3e-4 * from_json('{"format": "learnrate.schedule", "version": 1, '
        ...     '"schedule": {"name": "linear", "steps": 100}}')).to_json())
        schedule('3e-4 * linear(100)')

    Raises:
        ScheduleError: the text is not JSON, has another format or a newer version, or a field
            breaks its rule.
    """
    if not isinstance(text, str):
        raise ScheduleError(f"the JSON of a schedule must be text; got {kind_of(text)}.")
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
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
            "Install a newer learnrate."
        )
    unknown = sorted(document.keys() - {"format", "version", "schedule"})
    if unknown:
        raise ScheduleError(f"unknown key {unknown[0]!r} besides 'schedule'.")
    if "schedule" not in document:
        raise ScheduleError("this schedule has no key 'schedule'.")
    return _schedule(document["schedule"], "schedule", 0)


def _tree(value: object) -> _Json:
    if isinstance(value, Schedule):
        rules = fields_of(type(value))
        fields = {rule.name: _tree(getattr(value, rule.name)) for rule in rules}
        return {"name": value.name, **fields}
    if isinstance(value, tuple):
        return [_tree(element) for element in value]
    if isinstance(value, Span):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ScheduleError(f"{value!r} cannot be written as JSON: a function has no text form.")


def _schedule(tree: _Json, where: str, depth: int) -> Schedule:
    if depth > _MAX_DEPTH:
        raise ScheduleError(
            f"a schedule may be nested at most {_MAX_DEPTH} deep; {where} is deeper."
        )
    if not isinstance(tree, dict) or not isinstance(tree.get("name"), str):
        raise ScheduleError(f"{where} must be an object with a 'name'.")
    cls = SHAPES.get(tree["name"])
    if cls is None:
        raise ScheduleError(f"{where} has an unknown name {tree['name']!r}.")
    known = {rule.name for rule in fields_of(cls)}
    values = {}
    for key, value in tree.items():
        name = current_name(cls, key)
        if name != key and name in tree:
            raise ScheduleError(
                f"{where} ({cls.name}) has both {name!r} and its former name {key!r}."
            )
        if key != "name":
            values[name] = _field(value, f"{where}.{key}", depth)
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ScheduleError(f"{where} ({cls.name}) has an unknown key {unknown[0]!r}.")
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
        return tuple(
            _field(element, f"{where}[{i}]", depth + 1) for i, element in enumerate(value)
        )
    return value


def _unique(pairs: list[tuple[str, _Json]]) -> dict[str, _Json]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        raise ScheduleError("an object of this JSON has the same key twice.")
    return tree


def _refuse_constant(word: str) -> NoReturn:
    raise ScheduleError(f"a number must be finite; got {word}.")
