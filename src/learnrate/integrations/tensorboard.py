"""TensorBoard: the recorded values of a run, as scalars in event files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate._errors import needing
from learnrate.integrations._named_values import named_values
from learnrate.store import Sink

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch import Observations

__all__ = ["TensorBoardSink"]


class TensorBoardSink(Sink):
    """Writes the recorded values of a run to TensorBoard's event files.

        run = learnrate.attach(optimizer, schedule)
        run.observers.append(TensorBoardSink("runs/a"))

    The run calls it about once a second, in a thread of its own, and closes it when it ends.

    Args:
        folder: the folder of the event files.
        prefix: the prefix of the names `lr`, `loss`, `validation`, `gradient_norm`,
            `update_ratio`, `clipped`, `seconds`.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self, folder: str | Path, *, prefix: str = "learnrate/") -> None:
        with needing("tensorboard", "tensorboard", "TensorBoardSink"):
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - slow to load

        self._prefix = prefix
        self._writer = SummaryWriter(str(folder))

    def __call__(self, observations: Observations, /) -> None:
        """Write the values of rows."""
        for step, values in named_values(observations, self._prefix):
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is buffered, and close the event files."""
        self._writer.close()
