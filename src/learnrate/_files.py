"""Files that are written atomically, and JSON without NaN."""

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
    """Write a file atomically: if writing fails or is killed, the old file remains.

    Of several ranks only the first writes.

    Raises:
        FileError: the file cannot be written.
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
    """Write text as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; a NaN or an infinity raises a `ValueError`."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileError: the file does not exist, is not text, or is not complete JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not a text file (byte {error.start} is not UTF-8).") from error
    except json.JSONDecodeError as error:
        raise FileError(
            f"{path} is not complete JSON: {error.msg} at line {error.lineno}, column {error.colno}. "
            "Was it cut off while it was written or copied?"
        ) from error
    except (RecursionError, ValueError) as error:  # also a whole number of thousands of digits
        raise FileError(
            f"{path} is JSON that is nested too deeply or too long to read."
        ) from error


def folder_for(out: Path) -> Path:
    """The folder `out`, created if it does not exist.

    Raises:
        FileError: it cannot be created, or is not a folder.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder {out} cannot be created: {error.strerror}.") from error
    return out


def json_value(value: Any) -> Any:
    """A value as JSON values: None for a number that is not finite, lists for tuples.

    Examples:
        >>> json_value({"best": 0.5, "losses": (1.0, math.inf)})
        {'best': 0.5, 'losses': [1.0, None]}
    """
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): json_value(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [json_value(part) for part in value]
    return value


def number_or_none(value: float | None) -> float | None:
    """The number if it is finite, else None, because JSON has no other numbers."""
    return None if value is None or not math.isfinite(value) else float(value)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
