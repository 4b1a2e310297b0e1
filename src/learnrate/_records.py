"""Records: frozen dataclasses as JSON values, and back.

`to_dict` gives what `json.dumps` can write; `from_dict` reads it back, equal to the last bit, and
refuses a missing key, an unknown key, and a value of another type. Fields are numbers, words,
enumerations, dictionaries, tuples, numpy arrays, schedules and records of these. cattrs does the
work; the hooks below say what JSON values the package uses.
"""

from __future__ import annotations

import math
import operator
from enum import StrEnum
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cattrs import Converter

__all__ = ["from_dict", "to_dict", "written_as_text"]

RecordType = TypeVar("RecordType")

_PRIMITIVES = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
}
_CUT_SHORT = "was it cut short, or written by hand?"
_READ_TEXT: dict[type, Callable[[str], Any]] = {}


def written_as_text(kind: type, read: Callable[[str], Any]) -> None:
    """Write values of a type, and of types derived from it, as their text.

    Args:
        kind: the type; `str` of a value gives its text.
        read: makes a value of its text.
    """
    _READ_TEXT[kind] = read
    _converter.cache_clear()


def to_dict(record: Any, *, omit: Iterable[str] = ()) -> dict[str, Any]:
    """A frozen dataclass as a dictionary of JSON values.

    Tuples and arrays become lists, enumerations and schedules become text, and a float that is not
    finite becomes None, because JSON has no word for it.

    Args:
        record: an instance of a dataclass; nested dataclasses are written the same way.
        omit: names of fields that are left out of the dictionary.
    """
    document: dict[str, Any] = _converter().unstructure(record)
    for name in omit:
        document.pop(name, None)
    return document


def from_dict(
    record_type: type[RecordType],
    document: object,
    where: str | None = None,
    *,
    all_keys: bool = False,
) -> RecordType:
    """The record that `to_dict` wrote.

    Args:
        record_type: a dataclass.
        document: a dictionary of JSON values.
        where: what error messages call the document; the type's name by default.
        all_keys: whether keys of fields that have a default must be there too.

    Raises:
        ArgumentError: it is not what `to_dict` wrote; the message names the key.
    """
    from cattrs.errors import BaseValidationError  # noqa: PLC0415 - loads when a file is read

    where = record_type.__name__ if where is None else where
    if not isinstance(document, dict):
        raise ArgumentError(f"{where} must be read from a dictionary; got {document!r}."[:200])
    try:
        record = _converter().structure(document, record_type)
    except BaseValidationError as error:
        raise ArgumentError(_first_problem(error, where)) from error
    if all_keys:
        _check_all_keys(to_dict(record), document, where)
    return record


def _check_all_keys(written: object, document: Any, where: str) -> None:
    """Refuse a document that lacks a key that `to_dict` would have written."""
    if isinstance(written, dict):
        for key, value in written.items():
            if key not in document:
                raise ArgumentError(f"{where} needs the key {key!r}; {_CUT_SHORT}")
            _check_all_keys(value, document[key], f"{where}.{key}")


@cache
def _converter() -> Converter:
    from cattrs import Converter  # noqa: PLC0415 - `import learnrate` must not load it

    converter = Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})
    for primitive, rule in _PRIMITIVES.items():
        converter.register_structure_hook(primitive, _strict(primitive, rule))
    structure_tuple = converter.get_structure_hook(tuple[int, ...])
    converter.register_structure_hook_func(
        _is_tuple, lambda values, kind: structure_tuple(_checked_list(values), kind)
    )
    converter.register_unstructure_hook(StrEnum, str)  # torch.load refuses foreign classes
    converter.register_structure_hook(StrEnum, _enumerated)
    converter.register_unstructure_hook_func(
        partial(operator.is_, float), lambda number: number if math.isfinite(number) else None
    )
    converter.register_unstructure_hook_func(_is_array_type, lambda array: _listed(array.tolist()))
    converter.register_structure_hook_func(_is_array_type, lambda values, _: _array(values))
    for kind, read in _READ_TEXT.items():
        is_kind = partial(_is_class_below, kind)
        converter.register_unstructure_hook_func(is_kind, str)
        converter.register_structure_hook_func(is_kind, _reader_of_text(read))
    return converter


def _strict(primitive: type, rule: str) -> Callable[[object, object], object]:
    def structure(value: object, _: object) -> object:
        if primitive is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not primitive or (isinstance(value, float) and not math.isfinite(value)):
            raise TypeError(f"must be {rule}; got {value!r}")
        return value

    return structure


def _enumerated(value: object, kind: Any) -> StrEnum:
    if value in list(kind):
        enumeration: StrEnum = kind(str(value))
        return enumeration
    raise TypeError(f"must be one of {', '.join(kind)}; got {value!r}")


def _is_tuple(kind: object) -> bool:
    return get_origin(kind) is tuple


def _checked_list(values: object) -> list[object] | tuple[object, ...]:
    if isinstance(values, list | tuple):
        return values
    raise TypeError(f"must be a list; got {values!r}")


def _is_array_type(kind: object) -> bool:
    origin = getattr(kind, "__origin__", kind)
    return (
        getattr(origin, "__module__", "") == "numpy"
        and getattr(origin, "__name__", "") == "ndarray"
    )


def _array(values: object) -> object:
    import numpy as np  # noqa: PLC0415 - likewise

    return np.array(values, dtype=float)  # None becomes NaN


def _listed(values: Any) -> Any:
    if isinstance(values, list):
        return [_listed(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


def _is_class_below(base: type, kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


def _reader_of_text(read: Callable[[str], Any]) -> Callable[[object, object], object]:
    def structure(text: object, _: object) -> object:
        if not isinstance(text, str):
            raise TypeError(f"must be text; got {text!r}")
        return read(text)

    return structure


def _first_problem(error: Any, where: str) -> str:
    """The first thing that is wrong, with the place of its key."""
    from cattrs.errors import (  # noqa: PLC0415 - likewise
        AttributeValidationNote,
        BaseValidationError,
        ForbiddenExtraKeysError,
        IterableValidationNote,
    )

    if isinstance(error, ForbiddenExtraKeysError):
        key = min(error.extra_fields, key=str)
        return f"{where} has no key {key!r}; was it written by a newer learnrate?"
    if isinstance(error, ArgumentError):
        return str(error)  # a record's own check, which names the argument
    if not isinstance(error, BaseValidationError):
        if isinstance(error, KeyError):
            return f"{where.rpartition('.')[0]} needs the key {error.args[0]!r}; {_CUT_SHORT}"
        return f"{where} {error}."[:200]
    first = error.exceptions[0]
    for note in getattr(first, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            where = f"{where}.{note.name}"
        elif isinstance(note, IterableValidationNote):
            where = f"{where}[{note.index}]"
    return _first_problem(first, where)
