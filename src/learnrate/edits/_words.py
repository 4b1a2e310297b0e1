"""An edit as a person types it."""

from __future__ import annotations

import shlex
from typing import Any

__all__ = ["words_of"]


def words_of(kind: str, value: Any) -> str:
    """An edit as it is typed; its kind need not be known."""
    values = value.values() if isinstance(value, dict) else () if value is None else (value,)
    return " ".join([str(kind), *map(_word, values)])


def _word(value: object) -> str:
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return shlex.quote(value) if isinstance(value, str) else str(value)
