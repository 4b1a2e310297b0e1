"""Files that are written atomically and checked beforehand, and JSON without NaN."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import stat
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._ranks import is_first_rank

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = [
    "check_readable",
    "check_writable",
    "csv_text",
    "folder_for",
    "json_value",
    "number_or_none",
    "read_json",
    "write_bytes",
    "write_json",
    "write_text",
]


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows of cells as the text of a CSV file, a line for each row; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: if writing fails or is killed, the old file remains.

    A symbolic link stays, and the file that it points to is replaced. Devices and pipes can be written
    to. Of several ranks only the first writes.

    Raises:
        FileError: the file cannot be written.
    """
    if not is_first_rank():
        return
    try:
        target = path.resolve()
        if target.exists() and not target.is_file() and not target.is_dir():
            with target.open("wb") as device:
                device.write(content)
        else:
            _replace(target, content)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name with a null
        raise FileError(f"{path} cannot be written: {_reason(error)}.") from error


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".learnrate.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # noqa: PTH101 - a name, not a Path
        os.replace(temporary, path)  # noqa: PTH105 - a name, not a Path
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - a name, not a Path
        raise


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work that would be lost.

    Raises:
        FileError: the path is a folder, its folder does not exist, or writing is not permitted.
    """
    if path.is_dir():
        raise FileError(f"{path} cannot be written: it is a folder. Name a file in it.")
    try:
        target = path.resolve()
        folder_exists = target.parent.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise FileError(f"{path} cannot be written: {_reason(error)}.") from error
    if not folder_exists:
        raise FileError(
            f"{path} cannot be written: the folder {target.parent} does not exist. Create it first."
        )
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise FileError(f"{path} cannot be written: Permission denied.")


def _reason(error: Exception) -> str:
    """The system's message about a file, without the path, which the caller names."""
    return getattr(error, "strerror", None) or str(error).rstrip(".")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8; a reader sees the old file or the new one, never a part."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; a NaN or an infinity raises a `ValueError`."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def check_readable(path: Path) -> None:
    """Refuse a device, such as /dev/zero, whose content never ends.

    Raises:
        FileError: the path is a device, or cannot be looked up.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return  # the reader will report it
    except (
        OSError,
        ValueError,
    ) as error:  # a loop of links, a name that is too long or has a null
        raise FileError(f"{path} cannot be read: {_reason(error)}.") from error
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise FileError(f"{path} cannot be read: it is a device, not a file.")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileError: the file does not exist, is not text, is not complete JSON, is nested too deeply,
            or has a number of too many digits.
    """
    check_readable(path)
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
    except RecursionError:
        raise FileError(f"{path} cannot be read: its JSON is nested too deeply.") from None
    except ValueError as error:  # a path with a null byte, or a number of thousands of digits
        raise FileError(f"{path} cannot be read: {_reason(error)}.") from error


def folder_for(out: Path) -> Path:
    """The folder `out`, created if it does not exist.

    Raises:
        FileError: it cannot be created or written, or is not a folder.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FileError(f"{out} must be a folder; it is a file. Name another folder.") from None
    except (OSError, ValueError) as error:
        raise FileError(f"the folder {out} cannot be created: {_reason(error)}.") from error
    if not os.access(out, os.W_OK):
        raise FileError(f"the folder {out} cannot be written: Permission denied.")
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
