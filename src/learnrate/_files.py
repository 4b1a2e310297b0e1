"""Files of ours: whole or not there, and JSON without surprises."""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._ranks import is_first_rank

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "folder_for",
    "json_value",
    "number_or_none",
    "read_json",
    "write_bytes",
    "write_json",
    "write_text",
]


def write_bytes(path: Path, content: bytes) -> None:
    """Write `path` whole or leave it as it was, also on a full disk or when killed.

    Of several ranks the first one writes for all.

    Raises:
        FileError: it cannot be written.
    """
    if not is_first_rank():
        return
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # noqa: PTH101 - a name, not a Path
        os.replace(temporary, path)  # noqa: PTH105 - a name, not a Path
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - a name, not a Path
        raise FileError(f"{path} cannot be written: {error.strerror}.") from error


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON; NaN and infinities are refused, because JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileError: it is not there, not text, or not whole JSON; the message says where it breaks.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not a text file (byte {error.start} is not UTF-8).") from error
    except json.JSONDecodeError as error:
        raise FileError(
            f"{path} is not whole JSON: {error.msg} at line {error.lineno}, column {error.colno}. "
            "Was it cut off while being written or copied?"
        ) from error


def folder_for(out: Path) -> Path:
    """`out` as a folder, made if need be.

    Raises:
        FileError: it cannot be made, or is something else.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder {out} cannot be made: {error.strerror}.") from error
    return out


def json_value(value: Any) -> Any:
    """A value as JSON has it: null for a number that is not finite, lists for tuples.

    Examples:
        >>> json_value({"best": 0.5, "losses": (1.0, math.inf)})
        {'best': 0.5, 'losses': [1.0, None]}
    """
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): json_value(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [json_value(one) for one in value]
    return value


def number_or_none(value: float | None) -> float | None:
    """A finite number, or None: how JSON of ours writes a loss that is not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
