"""The peers' learning-rate finders, each at its defaults.

torch-lr-finder and Lightning run as installed. fastai's rules are in `fastai`.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import tempfile
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader, IterableDataset

from learnrate.trials import derived_seed, preserved, seed_everything

from .methods import Method, Pick

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from learnrate import Task

    from .cells import Cell

__all__ = ["METHODS"]

_ITERS = 100


class _Stream(IterableDataset[Any]):
    """A task's batches without end, for the DataLoader that the peers need."""

    def __init__(self, task: Task, seed: int) -> None:
        self._data = task.data
        self._seed = seed

    def __iter__(self) -> Iterator[Any]:
        assert callable(self._data)
        for number in itertools.count():
            yield from self._data(derived_seed(self._seed, number))


def _loader(task: Task, seed: int) -> DataLoader[Any]:
    return DataLoader(_Stream(task, seed), batch_size=None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress progress bars, warnings and log lines."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def _torch_lr_finder(cell: Cell, task: Task, seed: int) -> Pick:
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415
    from torch_lr_finder import LRFinder  # noqa: PLC0415 - a peer

    with preserved(task), _quiet():
        seed_everything(seed)
        model = task.model()
        finder = LRFinder(model, task.optimizer_of(model), task.loss, device="cpu")
        finder.range_test(_loader(task, seed), start_lr=1e-7, end_lr=10, num_iter=_ITERS)
        cost = len(finder.history["lr"]) / cell.total_steps
        figure, axes = plt.subplots()
        answer = finder.plot(ax=axes)
        plt.close(figure)
    rate = float(answer[1]) if isinstance(answer, tuple) else None
    return Pick(rate, cost, "" if rate else "no suggestion")


def _lightning(cell: Cell, task: Task, seed: int) -> Pick:
    import lightning.pytorch as pl  # noqa: PLC0415 - a peer
    from lightning.pytorch.tuner.tuning import Tuner  # noqa: PLC0415

    logging.getLogger("lightning.pytorch").setLevel(logging.CRITICAL)

    class WrappedTask(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.inner = task.model()
            self.lr = 1e-3

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            return task.loss_of(self.inner, batch)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            optimizer = task.optimizer_of(self.inner)
            for group in optimizer.param_groups:
                group["lr"] = self.lr
            return optimizer

    with preserved(task), _quiet(), tempfile.TemporaryDirectory() as root:
        seed_everything(seed)
        module = WrappedTask()
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            gradient_clip_val=task.clip_norm,
            default_root_dir=root,
        )
        finder = Tuner(trainer).lr_find(module, train_dataloaders=_loader(task, seed))
        rate = None if finder is None else finder.suggestion()
        tried = 0 if finder is None else len(finder.results["lr"])
    return Pick(rate, tried / cell.total_steps, "" if rate else "no suggestion")


METHODS = [
    Method(name="torch-lr-finder", version=version("torch-lr-finder"), pick=_torch_lr_finder),
    Method(name="Lightning lr_find", version=version("lightning"), pick=_lightning),
]
