"""Meta-training: the reference loop, and what it leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._errors import ArgumentError
from learnrate._files import number_or_none
from learnrate._progress import ProgressBar
from learnrate.meta._learned import draw_negative_shares, negative_shares
from learnrate.meta._population import Population
from learnrate.trials import Status, kept_random_state, seed_everything

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from torch import nn

    from learnrate.meta._learned import NegativeShare
    from learnrate.meta._rates import Learned, Rates, RateSpec
    from learnrate.meta._task import MetaTask

__all__ = ["MetaTrained", "train"]

_LOOKS = 20  # how often learned rates are counted


@dataclass(frozen=True)
class MetaTrained:
    """A meta-trained model and how it came about.

    Attributes:
        model: with the weights from before adaptation.
        rates: the inner rates, as learned if they were.
        losses: the mean outer loss of each meta-update's episodes, shape (updates,).
        loss: the mean outer loss of the test's episodes after adaptation.
        error: its standard error.
        metric: the mean of the task's metric over them, or None.
        status: finished, diverged or interrupted.
        failure: where it left the finite range; empty if it did not.
        negative: the learned rates below 0 by layer, over meta-training; empty if none are learned.
    """

    model: nn.Module
    rates: Rates
    losses: np.ndarray
    loss: float
    error: float
    metric: float | None
    status: Status
    failure: str = ""
    negative: tuple[NegativeShare, ...] = ()

    def plot_rates(self, axes: Axes | None = None) -> Axes:
        """Draw each layer's share of negative learned rates; needs the extra `plot`.

        Raises:
            ArgumentError: no rates were learned.
        """
        if not self.negative:
            raise ArgumentError("no inner rates were learned: MetaTask(inner_lr=Learned(...)).")
        return draw_negative_shares(self.negative, axes)

    def save(self, path: Path) -> None:
        """Write weights and learned rates with `torch.save`, to be read by `torch.load`."""
        torch.save({"model": self.model.state_dict(), "inner_lr": self.rates.values}, path)

    def to_dict(self) -> dict[str, Any]:
        """What `learnrate meta train --json` prints, without NaN."""
        return {
            "loss": number_or_none(self.loss),
            "error": number_or_none(self.error),
            "metric": number_or_none(self.metric),
            "status": str(self.status),
            "failure": self.failure,
            "losses": [number_or_none(float(one)) for one in self.losses],
            "negative": [one.to_dict() for one in self.negative],
        }


def train(
    task: MetaTask,
    *,
    inner_lr: RateSpec | Learned | None = None,
    adapt_lr: RateSpec | None = None,
    total_steps: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> MetaTrained:
    """Meta-train a model, then test it on new episodes.

    Args:
        task: what is meta-trained; it is left as it was.
        inner_lr: the inner loop's rate; the task's by default.
        adapt_lr: the rate at test time; the task's by default.
        total_steps: meta-updates; the task's by default.
        seed: of the first weights and the episodes.
        progress: whether to show a bar when it takes long.

    Raises:
        ArgumentError: a value is outside its rule.
        TaskError: the task's own parts are not what they must be.

    Examples:
        >>> import torch
        >>> from learnrate.meta import MetaTask, Sinusoids, train
        >>> task = MetaTask(
        ...     model=lambda: torch.nn.Linear(1, 1), loss=torch.nn.MSELoss(), episodes=Sinusoids()
        ... )
        >>> train(task, inner_lr=-0.01, adapt_lr=0.01, total_steps=5).losses.shape
        (5,)
    """
    total_steps = checked_count(
        "total_steps", task.total_steps if total_steps is None else total_steps
    )
    with kept_random_state():
        seed_everything(seed)
        given = task.adapt_lr if adapt_lr is None else adapt_lr
        population = Population(task, [(task.inner_lr if inner_lr is None else inner_lr, seed)])
        rates = (
            None if given is None else population.learner.rates(given, task.test_steps, "adapt_lr")
        )
        losses, shares, interrupted = _run(population, total_steps, progress=progress)
        failure = population.failed[0]
        loss, metric = population.test(rates, task.test_steps)
    _put_into(population)
    status = Status.INTERRUPTED if interrupted else Status.FINISHED
    if failure is not None or not torch.isfinite(loss).all():
        status = Status.DIVERGED
        failure = failure or "only a test's loss is not finite: bring adapt_lr nearer to 0"
    spread = float(loss.std()) / math.sqrt(loss.shape[1]) if loss.shape[1] > 1 else math.nan
    return MetaTrained(
        population.learner.model,
        population.rates.of_trial(0),
        np.asarray(losses),
        float(loss.mean()),
        spread,
        None if metric is None else float(metric.float().mean()),
        status,
        failure or "",
        tuple(shares),
    )


def checked_count(name: str, value: object) -> int:
    """A whole number of at least 1.

    Raises:
        ArgumentError: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"{name} must be a whole number, at least 1; got {value!r}.")
    return value


def _run(
    population: Population, total_steps: int, *, progress: bool
) -> tuple[list[float], list[NegativeShare], bool]:
    losses: list[float] = []
    shares: list[NegativeShare] = []
    every = max(1, total_steps // _LOOKS)
    learned = population.rates.learned
    if learned:
        shares += negative_shares(population.rates)
    with ProgressBar(total_steps, shown=progress) as bar:
        try:
            for step in range(total_steps):
                losses.append(float(population.update(step)[0]))
                if population.failed[0] is not None:
                    break
                if learned and (step + 1) % every == 0:
                    shares += negative_shares(population.rates, step + 1)
                bar.show(step + 1, f"outer loss {losses[-1]:.4g}")
        except KeyboardInterrupt:
            return losses, shares, True
    return losses, shares, False


def _put_into(population: Population) -> None:
    own = dict(population.learner.model.named_parameters())
    with torch.no_grad():
        for name, values in population.weights.items():
            own[name].copy_(values[0])
