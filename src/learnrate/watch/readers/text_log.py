"""Text logs whose lines are regular: a step or an epoch, and then names with numbers."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._progress import ProgressBar
from learnrate.watch.readers._csv import TABLE_BLOCK, TABLE_LIMIT, TABLE_WAY_OUT
from learnrate.watch.readers._names import words_of
from learnrate.watch.readers._reader import Reader, first_bytes, size_within
from learnrate.watch.readers._rows import flat, table_of
from learnrate.watch.readers._table_runs import runs_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["READER"]

_SUFFIXES = {".log", ".txt", ".out", ".err", ""}
_LOOKED_AT = 256 * 1024  # bytes in which a line of the training must occur
_LEAST_LINES = 2
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|nan|inf)"
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_VALUE = re.compile(
    rf"([a-z][\w./ -]*?)(?:\s*[:=]\s*\[?|\s+)({_NUMBER})(?=[\s,|;)\]%]|m?s\b|$)", re.IGNORECASE
)
_EPOCH = r"epoch\s*[:#=]?\s*\[?\s*(?P<epoch>\d+)(?:\s*/\s*\d+)?\]?"


@dataclass(frozen=True)
class _Format:
    """The lines of one kind.

    Attributes:
        line: finds the counters of a line, as named groups: step, total_steps, epoch, iter, mode.
        value: finds the name and the number of each value behind them.
        validation: finds the step of a line of a validation, if such lines look different.
    """

    line: re.Pattern[str]
    value: re.Pattern[str] = _VALUE
    validation: re.Pattern[str] | None = None


_FORMATS = (
    # Megatron
    _Format(
        line=re.compile(r"\biteration\s+(?P<step>\d+)/\s*(?P<total_steps>\d+)\s*\|"),
        value=re.compile(rf"([a-zA-Z][\w ./()-]*?)\s*:\s*({_NUMBER})\s*(?=\||$)"),
        validation=re.compile(r"\bvalidation loss at iteration (?P<step>\d+)\b[^|]*\|"),
    ),
    # OpenMMLab, and the ImageNet example of PyTorch
    _Format(
        line=re.compile(
            r"Epoch:?(?:\((?P<mode>train|val)\))?\s*\[(?P<epoch>\d+)\]\[\s*(?P<iter>\d+)/\d+\]"
        ),
    ),
    _Format(
        line=re.compile(
            r"Iter:?(?:\((?P<mode>train|val)\))?\s*\[\s*(?P<step>\d+)/(?P<total_steps>\d+)\]"
        ),
    ),
    # nanoGPT, torchtune, torchtitan, detectron2, DeepSpeed, and scripts that print their own lines
    _Format(
        line=re.compile(
            rf"(?:\b{_EPOCH}\W+)?\b(?:steps?|iter|iteration|update)\s*[:#=]?\s*\[?(?P<step>\d+)"
            r"(?:\s*/\s*(?P<total_steps>\d+))?\]?(?=[\s:,|)-])",
            re.IGNORECASE,
        ),
    ),
    _Format(line=re.compile(rf"\b{_EPOCH}(?=[\s:,|)-])", re.IGNORECASE)),
)
_FAIRSEQ = re.compile(r"\|\s*(train_inner|valid)\s*\|\s*(\{.*\})\s*$")
_DICTIONARY = re.compile(r"^\{'.*\}$")


def _lines_of(text: str) -> list[str]:
    return [_COLOR.sub("", line).strip() for line in re.split(r"[\r\n]+", text)]


def _kind_of(text: str) -> _Format | str | None:
    """The format of the lines of a text; None if it is not known."""
    lines = _lines_of(text)
    for pattern, kind in ((_FAIRSEQ, "fairseq"), (_DICTIONARY, "transformers")):
        if sum(_object(line, pattern) is not None for line in lines) >= _LEAST_LINES:
            return kind
    for known in _FORMATS:
        rows = (_row(line, known) for line in lines)
        if sum(any(map(_is_loss_or_rate, row or ())) for row in rows) >= _LEAST_LINES:
            return known
    return None


def _beginning(path: Path) -> str:
    first = first_bytes(path, _LOOKED_AT)
    return "" if b"\0" in first else first.decode("utf-8", errors="replace")


def _recognises(path: Path) -> bool:
    if path.suffix.lower() not in _SUFFIXES or not path.is_file():
        return False
    return _kind_of(_beginning(path)) is not None


def _read(path: Path, names: Names) -> list[Observations]:
    size = size_within(path, TABLE_LIMIT, TABLE_WAY_OUT)
    kind = _kind_of(_beginning(path))
    if kind is None:
        raise FileError(f"{path} is text without lines that have a step and a loss.")
    table = table_of(_rows(path, kind, size), names)
    return runs_in(table, str(path), names, str(path))


def _rows(path: Path, kind: _Format | str, size: int) -> Iterator[dict[str, Any]]:
    bytes_read = 0
    with ProgressBar(size) as bar, path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file):
            bytes_read += len(line)
            if number % TABLE_BLOCK == 0:
                bar.show(min(size, bytes_read), f"reading {path.name}")
            for plain in _lines_of(line):
                if isinstance(kind, _Format):
                    row = _row(plain, kind)
                else:
                    row = _object(plain, _FAIRSEQ if kind == "fairseq" else _DICTIONARY)
                if row and any(map(_is_loss_or_rate, row)):
                    yield row


def _is_loss_or_rate(name: str) -> bool:
    return bool({"loss", "lr", "rate"} & set(words_of(name)))


def _row(line: str, known: _Format) -> dict[str, Any] | None:
    """The counters and values of a line; None if it is of something else."""
    match, prefix = known.line.search(line), ""
    if match is None and known.validation is not None:
        match, prefix = known.validation.search(line), "validation "
    if match is None:
        return None
    row: dict[str, Any] = {
        name: text for name, text in match.groupdict().items() if text is not None
    }
    rest = line[match.end() :]
    for name, number in known.value.findall(rest):
        row.setdefault(prefix + name.strip(), number)
    return row


def _object(line: str, pattern: re.Pattern[str]) -> dict[str, Any] | None:
    """The object that a line ends with, as JSON or as Python prints it."""
    match = pattern.search(line)
    if match is None:
        return None
    try:
        row = (
            json.loads(match[2])
            if pattern.groups
            else ast.literal_eval(match[0].replace(": nan", ": None"))
        )
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return flat(row) if isinstance(row, dict) else None


READER = Reader(
    name="text log with a step and a loss in each line", recognises=_recognises, read=_read
)
