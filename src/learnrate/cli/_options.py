"""Arguments and options that the commands share, and how their values are checked."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, CallbackParam, Option

from learnrate._errors import ArgumentError, FileError
from learnrate._files import check_writable

__all__ = [
    "WHOLE",
    "JsonOption",
    "OutOption",
    "PictureOption",
    "RunArgument",
    "SeedOption",
    "ShapeOption",
    "StartOption",
    "StoreOption",
    "TaskArgument",
    "TotalStepsOption",
    "output_file",
    "pairs_in",
    "picture_file",
    "picture_format",
]

_PICTURE_FORMATS = ("png", "svg", "pdf", "jpg", "jpeg", "webp", "tif", "tiff", "eps", "ps")


def _number_or_text(text: str) -> int | str:
    """A whole number, which may be written as 1000, 1_000 or 1e3; anything else as it is."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and abs(number) < 2**53 else text


def _whole_number(option: CallbackParam, value: int | str | None) -> int | None:
    if isinstance(value, str):
        raise ArgumentError(
            f"{option.opts[0]} must be a whole number, such as 2000 or 2e3; got {value!r}."
        )
    return value


WHOLE: dict[str, Any] = {
    "parser": _number_or_text,
    "callback": _whole_number,
    "metavar": "INTEGER",
}
"""How an option of a whole number is read; an error in a parser would not be worded here."""

TaskArgument = Annotated[str, Argument(metavar="TASK", help="file.py:name or module:name")]
TotalStepsOption = Annotated[
    int | None,
    Option(
        "--total-steps",
        help="Optimizer updates of a whole run; by default the task's number.",
        **WHOLE,
    ),
]
StartOption = Annotated[
    Path | None,
    Option(
        "--start",
        help="A checkpoint to start from: a state_dict, or {model: ..., optimizer: ...}.",
        show_default=False,
    ),
]
ShapeOption = Annotated[
    str,
    Option(
        "--shape", help="The schedule's shape, with peak 1; its lengths are shares of the run."
    ),
]
SeedOption = Annotated[int, Option("--seed", help="The same seed gives the same result.")]
JsonOption = Annotated[
    bool, Option("--json", help="Print only one JSON object on standard output.")
]
RunArgument = Annotated[
    str,
    Argument(
        metavar="RUN", help="A run's id, the beginning of an id, or last for the newest run."
    ),
]
StoreOption = Annotated[
    str | None,
    Option(
        "--store",
        help="A file or postgresql:// URL; $LEARNRATE_STORE or ./learnrate.db by default.",
        show_default=False,
    ),
]
OutOption = Annotated[Path | None, Option("--out", help="The folder for trials that have ended.")]


def output_file(path: Path | None) -> Path | None:
    """The path of an option that names a file to write; refused before the work is done.

    Raises:
        FileError: the file cannot be written.
    """
    if path is not None:
        check_writable(path)
    return path


def picture_file(path: Path | None) -> Path | None:
    """The path of an option that names a picture to write; see `output_file`.

    Raises:
        FileError: no picture has this suffix, or the file cannot be written.
    """
    if path is not None and picture_format(path) not in _PICTURE_FORMATS:
        raise FileError(
            f"{path} must end in .{', .'.join(_PICTURE_FORMATS)}; got {path.suffix!r}. "
            "A name without a suffix is a PNG file."
        )
    return output_file(path)


def picture_format(path: Path) -> str:
    """The format of a picture by the suffix of its file: PNG if it has none."""
    return path.suffix[1:].lower() or "png"


PictureOption = Annotated[
    Path | None, Option("--png", help="Save the picture to this file.", callback=picture_file)
]


def pairs_in(option: str, text: str) -> dict[str, str]:
    """Read `NAME=VALUE,NAME=VALUE`; a value with spaces or commas may be quoted.

    Args:
        option: the option, for the message.
        text: its value.

    Raises:
        ArgumentError: it is not such a list, or has a name twice.
    """
    rule = f"{option} must be NAME=VALUE, separated by commas"
    parser = shlex.shlex(text, posix=True, punctuation_chars=False)
    parser.whitespace = ","
    parser.whitespace_split = True
    parser.commenters = ""
    try:
        parts = list(parser)
    except ValueError as error:
        raise ArgumentError(f"{rule}; got {text!r}, which has no closing quote.") from error
    pairs: dict[str, str] = {}
    for part in parts:
        name, equals, value = (word.strip() for word in part.partition("="))
        if not (name and equals and value):
            raise ArgumentError(f"{rule}; got {part!r}.")
        if name in pairs:
            raise ArgumentError(f"{option} has {name} twice.")
        pairs[name] = value
    return pairs
