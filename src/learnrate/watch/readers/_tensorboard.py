"""TensorBoard event files: a folder of them is one run, read by tensorboard itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError, needing
from learnrate._progress import ProgressBar
from learnrate.watch.readers._reader import MIB, Reader, within
from learnrate.watch.readers._series import Series, assembled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["TENSORBOARD"]

_LIMIT = 512 * MIB
_WAY_OUT = "Export its scalars as CSV and read that."


def _files(path: Path) -> list[Path]:
    held = [path] if path.is_file() else sorted(path.glob("*tfevents*"))
    return [one for one in held if one.is_file() and "tfevents" in one.name]


def _claims(path: Path) -> bool:
    return bool(_files(path))


def _read(path: Path, names: Names) -> list[Observations]:
    with needing("tensorboard", "tensorboard", "Reading event files"):
        import tensorboard  # noqa: F401, PLC0415 - optional
    from tensorboard.backend.event_processing import event_file_loader  # noqa: PLC0415

    files = _files(path)
    sizes = [within(file, _LIMIT, _WAY_OUT) for file in files]
    series: dict[str, Series] = {}
    # tensorboard reports a record cut off, as the last one of a killed run is, in its own log.
    logger = logging.getLogger("tensorboard")
    was, logger.disabled = logger.disabled, True
    try:
        with ProgressBar(sum(sizes)) as bar:
            done = 0
            for file, size in zip(files, sizes, strict=True):
                loader = event_file_loader.LegacyEventFileLoader(str(file))
                for step, tag, value in _scalars(loader, file):
                    series.setdefault(tag, Series()).add(step, value)
                    bar.show(done, f"reading {file.name}")
                done += size
    finally:
        logger.disabled = was
    if not series:
        raise FileError(f"{path} holds no scalars: it is empty, cut off, or no event file at all.")
    return [assembled(str(path), series, names, where=str(path))]


def _scalars(loader: Any, file: Path) -> Iterator[tuple[int, str, float]]:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - tensorboard's own
    from tensorboard.util import tensor_util  # noqa: PLC0415

    try:
        for event in loader.Load():
            for value in event.summary.value:
                kind = value.WhichOneof("value")
                if kind == "simple_value":
                    yield event.step, value.tag, value.simple_value
                elif kind == "tensor" and not value.tensor.tensor_shape.dim:
                    held = tensor_util.make_ndarray(value.tensor)
                    if held.dtype.kind in "fiu":
                        yield event.step, value.tag, float(held)
    except (DecodeError, TypeError, ValueError) as error:
        raise FileError(f"{file} is no event file of TensorBoard's: {error}.") from error


TENSORBOARD = Reader(name="TensorBoard event files", claims=_claims, read=_read)
