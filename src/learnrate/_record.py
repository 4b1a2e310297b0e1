"""Frozen records that are written as JSON and read back to the bit, or refused."""

from __future__ import annotations

import math
import types
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, NoReturn, Self, Union, get_args, get_origin, get_type_hints

from learnrate._errors import ArgumentError

__all__ = ["Record", "finite", "refuse", "share", "whole"]


def refuse(owner: str, argument: str, rule: str, value: object, way_out: str = "") -> NoReturn:
    """Raise the one error for an argument: as typed, the rule, the value, the way out."""
    shown = repr(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    message = f"{owner}({argument}=...) must be {rule}; got {shown}. {way_out}"
    raise ArgumentError(message.rstrip())


def whole(owner: str, argument: str, value: object, low: int, way_out: str = "") -> None:
    """Refuse what is not a whole number of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        refuse(owner, argument, f"a whole number of at least {low}", value, way_out)


def finite(
    owner: str, argument: str, value: object, low: float = -math.inf, way_out: str = ""
) -> None:
    """Refuse what is not a finite number of at least `low`."""
    number = not isinstance(value, bool) and isinstance(value, int | float)
    if not number or not math.isfinite(value) or value < low:  # type: ignore[arg-type,operator]  # a number by then
        rule = "a finite number" if low == -math.inf else f"a finite number of at least {low:g}"
        refuse(owner, argument, rule, value, way_out)


def share(owner: str, argument: str, value: object, way_out: str = "") -> None:
    """Refuse what is not strictly between 0 and 1."""
    finite(owner, argument, value, way_out=way_out)
    if not 0 < value < 1:  # type: ignore[operator]  # finite() let only numbers pass
        refuse(owner, argument, "above 0 and below 1", value, way_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A frozen record of numbers, words, and records of these.

    `to_dict` gives what `json.dumps` can write; `from_dict` reads it back, equal to the last bit,
    and refuses a missing key, an unknown one, a value of another type, and a number that is not
    finite.
    """

    def to_dict(self) -> dict[str, Any]:
        """The record as a dictionary of JSON values."""
        return {field.name: _written(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, document: object) -> Self:
        """The record that `to_dict` wrote.

        Raises:
            ArgumentError: it is not what `to_dict` wrote; the message names the key.
        """
        record: Self = _record(cls, document, cls.__name__)
        return record


def _written(value: object) -> object:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_written(each) for each in value]
    return str(value) if isinstance(value, StrEnum) else value


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _record(cls: type, document: object, where: str) -> Any:
    if not isinstance(document, dict):
        raise ArgumentError(f"{where} must be read from a dictionary; got {document!r}."[:200])
    hints = _hints(cls)
    for key in sorted(document.keys() - hints.keys(), key=str):
        raise ArgumentError(f"{where} has no key {key!r}; was it written by a newer learnrate?")
    for key in sorted(hints.keys() - document.keys()):
        raise ArgumentError(
            f"{where} needs the key {key!r}; was it cut short, or written by hand?"
        )
    return cls(**{key: _read(hints[key], document[key], f"{where}.{key}") for key in hints})


def _read(kind: Any, value: object, where: str) -> object:
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        if value is None:
            return None
        return _read(next(arm for arm in get_args(kind) if arm is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ArgumentError(f"{where} must be a list; got {value!r}."[:200])
        item = get_args(kind)[0]
        return tuple(_read(item, each, f"{where}[{i}]") for i, each in enumerate(value))
    return _plain(kind, value, where)


def _plain(kind: type, value: object, where: str) -> object:
    if is_dataclass(kind):
        return _record(kind, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if issubclass(kind, StrEnum):
        if value in list(kind):
            return kind(str(value))
        raise ArgumentError(f"{where} must be one of {', '.join(kind)}; got {value!r}.")
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        raise ArgumentError(f"{where} must be a (finite) {kind.__name__}; got {value!r}."[:200])
    return value
