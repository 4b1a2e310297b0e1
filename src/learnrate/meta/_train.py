"""Meta-training of one task, and its result."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._axes import draw_panel
from learnrate._checks import check_seed
from learnrate._errors import ArgumentError
from learnrate._files import number_or_none
from learnrate._progress import ProgressBar
from learnrate.meta._learned import negative_shares
from learnrate.meta._picture import negative_shares_panel
from learnrate.meta._population import Population
from learnrate.meta._task import check_meta_task
from learnrate.trials import Status, kept_random_state, seed_everything

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from torch import nn

    from learnrate.meta._learned import NegativeShare
    from learnrate.meta._rates import InnerRates, Learned, RateSpec
    from learnrate.meta._task import MetaTask

__all__ = ["MetaTrained", "train"]

_COUNTS = 20  # how often negative learned rates are counted in a training


@dataclass(frozen=True)
class MetaTrained:
    """A meta-trained model with its losses.

    Attributes:
        model: the model with the weights before adaptation.
        rates: the inner rates; if they are learned, their final values.
        losses: the mean outer loss of each meta-update, shape (updates,).
        loss: the mean outer loss of the test episodes after adaptation.
        error: its standard error over episodes.
        metric: the mean of the task's metric over the test episodes, or None.
        status: finished, diverged or interrupted.
        failure: where it diverged; empty if it did not.
        negative: the share of learned rates below 0, by layer, over meta-training; empty if no rates
            are learned.
    """

    model: nn.Module
    rates: InnerRates
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
            raise ArgumentError(
                "no inner rates were learned; use MetaTask(inner_lr=Learned(...))."
            )
        return draw_panel(negative_shares_panel(self.negative), axes)

    def save(self, path: Path) -> None:
        """Write the weights and the inner rates with `torch.save`."""
        torch.save({"model": self.model.state_dict(), "inner_lr": self.rates.values}, path)

    def to_dict(self) -> dict[str, Any]:
        """The output of `learnrate meta train --json`; None for a number that is not finite."""
        return {
            "loss": number_or_none(self.loss),
            "error": number_or_none(self.error),
            "metric": number_or_none(self.metric),
            "status": str(self.status),
            "failure": self.failure,
            "losses": [number_or_none(float(loss)) for loss in self.losses],
            "negative": [share.to_dict() for share in self.negative],
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
        task: what is meta-trained; it is not changed.
        inner_lr: the inner loop's rate; the task's by default.
        adapt_lr: the rate at test time; the task's by default.
        total_steps: meta-updates; the task's by default.
        seed: the seed of the initial weights and the episodes.
        progress: whether to show a progress bar.

    Raises:
        ArgumentError: a value is outside its rule.
        TaskError: the model, the loss or the optimizer of the task is not of the required kind.

    Examples:
        >>> import torch
        >>> from learnrate.meta import MetaTask, Sinusoids, train
        >>> task = MetaTask(
        ...     model=lambda: torch.nn.Linear(1, 1), loss=torch.nn.MSELoss(), episodes=Sinusoids()
        ... )
        >>> train(task, inner_lr=-0.01, adapt_lr=0.01, total_steps=5).losses.shape
        (5,)
    """
    check_meta_task("train", task)
    check_seed("train", seed)
    total_steps = checked_count(
        "total_steps", task.total_steps if total_steps is None else total_steps
    )
    with kept_random_state():
        seed_everything(seed)
        adapt_rates = task.adapt_lr if adapt_lr is None else adapt_lr
        population = Population(task, [(task.inner_lr if inner_lr is None else inner_lr, seed)])
        rates = (
            None
            if adapt_rates is None
            else population.learner.rates(adapt_rates, task.test_steps, "adapt_lr")
        )
        losses, shares, interrupted = _run(population, total_steps, progress=progress)
        failure = population.failed[0]
        loss, metric = population.test(rates, task.test_steps)
    _put_into(population)
    status = Status.INTERRUPTED if interrupted else Status.FINISHED
    if failure is not None or not torch.isfinite(loss).all():
        status = Status.DIVERGED
        failure = failure or "only the test loss is not finite: use an adapt_lr closer to 0"
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
    """The value, if it is a whole number of at least 1.

    Raises:
        ArgumentError: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"{name} must be a whole number, at least 1; got {value!r}.")
    return value


def _run(
    population: Population, total_steps: int, *, progress: bool
) -> tuple[list[float], list[NegativeShare], bool]:
    losses: list[float] = []
    shares: list[NegativeShare] = []
    every = max(1, total_steps // _COUNTS)
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
    parameters = dict(population.learner.model.named_parameters())
    with torch.no_grad():
        for name, values in population.weights.items():
            parameters[name].copy_(values[0])
