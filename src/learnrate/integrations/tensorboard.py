"""TensorBoard: what a run records, as scalars in event files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._errors import needing
from learnrate.integrations._rows import rows

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch import Observations

__all__ = ["TensorBoardSink"]


class TensorBoardSink:
    """Writes what a run records into TensorBoard's event files.

        run = learnrate.attach(optimizer, schedule)
        run.observers.append(TensorBoardSink("runs/a"))

    It is called in the run's own thread, about once a second, and closed when the run ends.

    Args:
        folder: of the event files.
        prefix: before the names `lr`, `loss`, `validation`, `gradient_norm`, `update_ratio`,
            `clipped`, `seconds`.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self, folder: str | Path, *, prefix: str = "learnrate/") -> None:
        with needing("tensorboard", "tensorboard", "TensorBoardSink"):
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - slow to load

        self._prefix = prefix
        self._writer = SummaryWriter(str(folder))

    def __call__(self, seen: Observations, /) -> None:
        """Write rows."""
        for step, values in rows(seen, self._prefix):
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
