"""TensorBoard event files: a folder of them is one run.

Events are read by tensorboard's own messages. Its readers of records, without TensorFlow, compute
every checksum in Python, 20 microseconds an event; here google-crc32c does, at 4 in all.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError, needing
from learnrate._progress import ProgressBar
from learnrate.watch.readers._reader import MIB, Reader, within
from learnrate.watch.readers._series import Series, assembled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["TENSORBOARD"]

_LIMIT = 2048 * MIB
_WAY_OUT = "Export its scalars as CSV and read that."
_BLOCK = 20_000  # records between two looks at the bar
_HEAD = struct.Struct("<QI")  # of a record: its length, and that number's checksum
_TAIL = struct.Struct("<I")  # behind it: its checksum


def _files(path: Path) -> list[Path]:
    held = [path] if path.is_file() else sorted(path.glob("*tfevents*"))
    return [one for one in held if one.is_file() and "tfevents" in one.name]


def _claims(path: Path) -> bool:
    return bool(_files(path))


def _read(path: Path, names: Names) -> list[Observations]:
    purpose = "Reading event files"
    with (
        needing("tensorboard", "tensorboard", purpose),
        needing("google_crc32c", "tensorboard", purpose),
    ):
        from google.protobuf.message import DecodeError  # noqa: PLC0415 - optional, all of them
        from google_crc32c import value as crc  # noqa: PLC0415
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
    files = [one for one in _files(path) if within(one, _LIMIT, _WAY_OUT)]
    series: dict[str, Series] = {}
    with ProgressBar(sum(file.stat().st_size for file in files)) as bar:
        done = 0
        for file in files:
            try:
                for number, (at, record) in enumerate(_records(file, crc)):
                    if number % _BLOCK == 0:
                        bar.show(done + at, f"reading {file.name}")
                    _take(Event.FromString(record), series)
            except (DecodeError, TypeError, ValueError) as error:
                raise FileError(f"{file} is no event file of TensorBoard's: {error}.") from error
            done += file.stat().st_size
    if not series:
        raise FileError(f"{path} holds no scalars: it is empty, cut off, or no event file at all.")
    return [assembled(str(path), series, names, where=str(path))]


def _records(file: Path, crc: Callable[[bytes], int]) -> Iterator[tuple[int, bytes]]:
    """Each record with its place; the last one of a killed run, which is cut off, is left out."""
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as held:
        at, end = 0, len(held)
        while at + _HEAD.size <= end:
            length, _ = _HEAD.unpack_from(held, at)
            stop = at + _HEAD.size + length
            if stop + _TAIL.size > end:
                if _masked(crc(held[at : at + 8])) != _HEAD.unpack_from(held, at)[1]:
                    raise _damaged(file, at)
                return
            record = held[at + _HEAD.size : stop]
            if _masked(crc(record)) != _TAIL.unpack_from(held, stop)[0]:
                raise _damaged(file, at)
            yield at, record
            at = stop + _TAIL.size


def _masked(crc: int) -> int:
    """A checksum as records hold it."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _damaged(file: Path, at: int) -> FileError:
    if at == 0:
        return FileError(f"{file} is no event file of TensorBoard's.")
    return FileError(
        f"{file} is damaged at byte {at:,}: a record's checksum is wrong. Copy it anew, or cut it "
        f"off there: head -c {at} {file.name}"
    )


def _take(event: Any, series: dict[str, Series]) -> None:
    for value in event.summary.value:
        kind = value.WhichOneof("value")
        if kind == "simple_value":
            number = value.simple_value
        elif kind == "tensor" and not value.tensor.tensor_shape.dim:
            found = _scalar(value.tensor)
            if found is None:
                continue
            number = found
        else:
            continue
        one = series.get(value.tag)
        if one is None:
            one = series[value.tag] = Series()
        one.steps.append(event.step)
        one.values.append(number)


def _scalar(tensor: Any) -> float | None:
    from tensorboard.util import tensor_util  # noqa: PLC0415 - optional

    held = tensor_util.make_ndarray(tensor)
    return float(held) if held.dtype.kind in "fiu" else None


TENSORBOARD = Reader(name="TensorBoard event files", claims=_claims, read=_read)
