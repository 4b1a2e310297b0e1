"""TensorBoard event files: a folder of them is one run.

Events are parsed by tensorboard's own messages. Its record readers, without TensorFlow, compute every
checksum in Python, which takes 20 microseconds per event; with google-crc32c, reading takes 4 microseconds in
all.
"""

from __future__ import annotations

import mmap
import struct
from itertools import islice
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError, needing
from learnrate._progress import ProgressBar
from learnrate.watch.readers._log_series import LogSeries, to_observations
from learnrate.watch.readers._reader import MIB, Reader, size_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["READER"]

_LIMIT = 2048 * MIB
_WAY_OUT = "Export its scalars as CSV and read that."
_BLOCK = 20_000  # records between two updates of the progress bar
_VALIDATIONS = ("validation", "val", "eval", "test")
_FIRST_RECORDS = 100  # of a file, in which all its series occur
_UNREADABLE = (TypeError, ValueError)
_HEAD = struct.Struct("<QI")  # of a record: its length, and the checksum of the length
_TAIL = struct.Struct("<I")  # after a record: its checksum


def _files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else sorted(path.glob("*tfevents*"))
    return [file for file in files if file.is_file() and "tfevents" in file.name]


def _recognises(path: Path) -> bool:
    return bool(_files(path)) or _is_of_splits(path)


def _is_of_splits(path: Path) -> bool:
    """Whether a folder has one folder of the training and one of the validation, as Keras writes."""
    if not path.is_dir() or not _files(path / "train"):
        return False
    return any(_files(path / name) for name in _VALIDATIONS)


def _is_part(folder: Path) -> bool:
    """Whether a folder is read with the one around it.

    `SummaryWriter.add_scalars` names a folder after its only series; Keras names two after splits.
    """
    files = _files(folder)
    if not files:
        return False
    if folder.name in {"train", *_VALIDATIONS} and _is_of_splits(folder.parent):
        return True
    try:
        tags = _tags(files[0])
    except (FileError, ImportError):
        return False
    return len(tags) == 1 and folder.name.startswith(tags.pop().replace("/", "_") + "_")


def _parts(path: Path) -> list[Path]:
    """The folders that belong to a folder of event files."""
    if path.is_file():
        return []
    return [folder for folder in sorted(path.iterdir()) if folder.is_dir() and _is_part(folder)]


def _read(path: Path, names: Names) -> list[Observations]:
    parse, crc = _parser()
    folders = [path, *_parts(path)]
    files = [
        (folder, file)
        for folder in folders
        for file in _files(folder)
        if size_within(file, _LIMIT, _WAY_OUT)
    ]
    series: dict[str, LogSeries] = {}
    with ProgressBar(sum(file.stat().st_size for _, file in files)) as bar:
        bytes_read = 0
        for folder, file in files:
            of_file: dict[str, LogSeries] = {} if folder != path else series
            try:
                for number, (offset, record) in enumerate(_records(file, crc)):
                    if number % _BLOCK == 0:
                        bar.show(bytes_read + offset, f"reading {file.name}")
                    _add_scalars(parse(record), of_file)
            except _UNREADABLE as error:
                raise FileError(f"{file} is not an event file of TensorBoard: {error}.") from error
            bytes_read += file.stat().st_size
            if folder != path:
                _add_part(folder, of_file, series)
    if not series:
        raise FileError(f"{path} has no scalars: it is empty, cut off, or not an event file.")
    return [to_observations(str(path), series, names, where=str(path))]


def _parser() -> tuple[Callable[[bytes], Any], Callable[[bytes], int]]:
    """The functions that parse a record and compute its checksum."""
    purpose = "Reading event files"
    with (
        needing("tensorboard", "tensorboard", purpose),
        needing("google_crc32c", "tensorboard", purpose),
    ):
        from google.protobuf.message import DecodeError  # noqa: PLC0415 - optional, all of them
        from google_crc32c import value as crc  # noqa: PLC0415
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415

    def parse(record: bytes) -> Any:
        try:
            return Event.FromString(record)
        except DecodeError as error:
            raise ValueError(str(error)) from error

    return parse, crc


def _tags(file: Path) -> set[str]:
    """The names of the series in the first records of a file."""
    parse, crc = _parser()
    series: dict[str, LogSeries] = {}
    try:
        for _, record in islice(_records(file, crc), _FIRST_RECORDS):
            _add_scalars(parse(record), series)
    except _UNREADABLE as error:
        raise FileError(f"{file} is not an event file of TensorBoard: {error}.") from error
    return set(series)


def _add_part(folder: Path, of_file: dict[str, LogSeries], series: dict[str, LogSeries]) -> None:
    """Add the series of a folder inside, named by its own part of the name, or by the split."""
    for tag, logged in of_file.items():
        prefix = tag.replace("/", "_") + "_"
        is_split = not folder.name.startswith(prefix)
        name = f"{folder.name}/{tag}" if is_split else f"{tag}/{folder.name.removeprefix(prefix)}"
        whole = series.setdefault(name, LogSeries())
        whole.steps.extend(logged.steps)
        whole.values.extend(logged.values)


def _records(file: Path, crc: Callable[[bytes], int]) -> Iterator[tuple[int, bytes]]:
    """Each record with its offset; the last one of a killed run, if cut off, is left out."""
    with (
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        offset, end = 0, len(content)
        while offset + _HEAD.size <= end:
            length, length_checksum = _HEAD.unpack_from(content, offset)
            stop = offset + _HEAD.size + length
            if stop + _TAIL.size > end:
                if _masked(crc(content[offset : offset + 8])) != length_checksum:
                    raise _damaged(file, offset)
                return
            record = content[offset + _HEAD.size : stop]
            if _masked(crc(record)) != _TAIL.unpack_from(content, stop)[0]:
                raise _damaged(file, offset)
            yield offset, record
            offset = stop + _TAIL.size


def _masked(crc: int) -> int:
    """A checksum in the form in which records store it."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _damaged(file: Path, offset: int) -> FileError:
    if offset == 0:
        return FileError(f"{file} is not an event file of TensorBoard.")
    return FileError(
        f"{file} is damaged at byte {offset:,}: the checksum of a record is wrong. Copy it again, "
        f"or cut it off there: head -c {offset} {file.name}"
    )


def _add_scalars(event: Any, series: dict[str, LogSeries]) -> None:
    for value in event.summary.value:
        kind = value.WhichOneof("value")
        if kind == "simple_value":
            number = value.simple_value
        elif kind == "tensor" and not value.tensor.tensor_shape.dim:
            scalar = _scalar(value.tensor)
            if scalar is None:
                continue
            number = scalar
        else:
            continue
        tag_series = series.get(value.tag)
        if tag_series is None:
            tag_series = series[value.tag] = LogSeries()
        tag_series.steps.append(event.step)
        tag_series.values.append(number)


def _scalar(tensor: Any) -> float | None:
    from tensorboard.util import tensor_util  # noqa: PLC0415 - optional

    array = tensor_util.make_ndarray(tensor)
    return float(array) if array.dtype.kind in "fiu" else None


READER = Reader(
    name="TensorBoard event files",
    recognises=_recognises,
    read=_read,
    nested=True,
    is_part=_is_part,
)
