"""Which inner rates to try on given episodes, from their task diversity and their noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._checks import check_seed, check_whole
from learnrate._records import to_dict
from learnrate.meta._episodes import draw_episodes
from learnrate.meta._inner import adapted
from learnrate.meta._learner import Learner
from learnrate.meta._sweep import sweep
from learnrate.meta._task import check_meta_task
from learnrate.trials import derived_seed, kept_random_state, seed_everything

if TYPE_CHECKING:
    from learnrate.meta._episodes import Episode
    from learnrate.meta._task import MetaTask

__all__ = ["Advice", "Regime", "advise"]

_RATES = np.geomspace(1e-4, 10.0, 16)
_FOLDS = 20
_BOUNDARY = 0.2  # of the share: between those measured on isotropic regression and sine waves
_STANDARD_ERRORS = 2.0  # that a verdict needs


class Regime(StrEnum):
    """The sign of the inner rate that the measurements favour; its value is the advice."""

    NOISE = (
        "noise-dominated: in meta-training, an inner step mostly fits noise. Try negative inner "
        "rates, and adapt with a positive one."
    )
    DIVERSE = (
        "diverse: an inner step mostly learns what is specific to its task. Positive inner rates "
        "usually win here; keep zero and a few negative ones in the sweep as a check."
    )
    UNCLEAR = "unclear: neither measurement decides. Sweep both signs; only a sweep can tell."


@dataclass(frozen=True)
class Advice:
    """Task diversity and noise, from the gradients at the initial weights.

    Attributes:
        diversity: the variance of the episodes' expected gradients (mean square distance to their
            mean).
        noise: the variance of an episode's support gradient around its expectation. It includes
            label noise and the choice of points.
        share: diversity / (diversity + noise), from 0 to 1.
        error: its standard error, by the jackknife over episodes.
        scale: the adaptation rate with the lowest loss from the initial weights: the order of
            magnitude of the rates.
        probe: the test loss after a short meta-training at `scale` minus that at `-scale`, both
            adapted at `scale`, paired by seed. Above 0, it favours negative rates. None without a
            probe.
        probe_error: its standard error over seeds.
        regime: the verdict: that of the probe if it is more than two standard errors from 0, else
            that of the share.
        grid: inner rates for a sweep, `low:high:count`.
    """

    diversity: float
    noise: float
    share: float
    error: float
    scale: float
    probe: float | None
    probe_error: float | None
    regime: Regime
    grid: str

    def to_dict(self) -> dict[str, Any]:
        """The output of `learnrate meta advise --json`; None for a number that is not finite."""
        return {**to_dict(self), "regime": self.regime.name.lower(), "advice": str(self.regime)}


def advise(task: MetaTask, *, episodes: int = 200, probe: int = 100, seed: int = 0) -> Advice:
    r"""Measure the task diversity and the noise of a task's episodes, and advise which rates to try.

    Support and query of an episode are independent draws of one task, so the mean product of their
    gradients is free of noise. Diversity is $E[g_s \cdot g_q] - |E g|^2$ over episodes, and noise is
    $E|g_s|^2 - E[g_s \cdot g_q]$, both at the initial weights. The share alone is misleading if classes
    are renumbered in every episode: on Omniglot, 5-way 1-shot, it is 6 %, and yet positive rates win by
    far. So a short meta-training with each sign decides if its result is clear. If it is not, a share
    below 20 % counts as noise.

    Args:
        task: its episodes and initial weights are measured.
        episodes: how many to measure, at least 20.
        probe: meta-updates of the short training, with three seeds for each sign; 0 for none.
        seed: the seed of weights and episodes.

    Raises:
        ArgumentError: a value is outside its rule.

    Examples:
        >>> import torch
        >>> from learnrate.meta import MetaTask, MixedRegression, advise
        >>> task = MetaTask(
        ...     model=lambda: torch.nn.Linear(60, 1, bias=False),
        ...     loss=torch.nn.MSELoss(),
        ...     episodes=MixedRegression(dim=60, shots=30, queries=30, sigma=1.0, nu=0.5),
        ... )
        >>> advise(task, probe=0).regime.name
        'NOISE'
    """
    check_meta_task("advise", task)
    check_seed("advise", seed)
    check_whole("advise", "episodes", episodes, _FOLDS)
    check_whole("advise", "probe", probe, 0, "0 makes no short training.")
    with kept_random_state():
        seed_everything(seed)
        learner = Learner(task, seed=seed)
        drawn = draw_episodes(task.episodes, episodes, derived_seed(seed, 43))
        support_gradients, query_gradients = (
            _gradients(learner, drawn.support),
            _gradients(learner, drawn.query),
        )
        scale = _scale(learner, drawn)
    diversity, noise = _parts(support_gradients, query_gradients)
    share = _share(diversity, noise)
    error = _jackknife(support_gradients, query_gradients)
    tried = _probed(task, scale, probe, seed) if probe else (None, None)
    regime = _verdict(share - _BOUNDARY, error)
    if tried[0] is not None and tried[1] is not None:
        by_probe = _verdict(-tried[0], tried[1])
        regime = regime if by_probe is Regime.UNCLEAR else by_probe
    grid = f"{-scale:.2g}:{scale:.2g}:13"
    return Advice(diversity, noise, share, error, scale, *tried, regime, grid)


def _verdict(value: float, error: float) -> Regime:
    """Diverse above 0, noise below 0, unclear within two standard errors of 0."""
    if abs(value) <= _STANDARD_ERRORS * error:
        return Regime.UNCLEAR
    return Regime.DIVERSE if value > 0 else Regime.NOISE


def _probed(
    task: MetaTask, scale: float, steps: int, seed: int
) -> tuple[float | None, float | None]:
    """The positive sign's loss minus the negative sign's, with its error; None if one diverged."""
    plain = replace(task, inner_lr=0.0, adapt_lr=None)
    losses = sweep(
        plain, [-scale, scale], [scale], seeds=3, total_steps=steps, seed=seed, progress=False
    ).losses[:, 0]
    if not np.isfinite(losses).all():
        return None, None
    gain = losses[1] - losses[0]
    return float(gain.mean()), float(gain.std(ddof=1)) / math.sqrt(len(gain))


def _gradients(learner: Learner, batch: Any) -> torch.Tensor:
    """Every episode's gradient at the initial weights, shape (episodes, n)."""
    rows = len(torch.utils._pytree.tree_leaves(batch)[0])  # noqa: SLF001 - torch has no public one
    weights = {
        name: tensor.detach().expand(rows, *tensor.shape).clone().requires_grad_()
        for name, tensor in learner.weights.items()
    }
    loss = learner.inner(weights, batch).sum()
    slopes = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    return torch.cat([slope.flatten(1) for slope in slopes if slope is not None], dim=1).double()


def _parts(support_gradients: torch.Tensor, query_gradients: torch.Tensor) -> tuple[float, float]:
    count = len(support_gradients)
    shared = float((support_gradients * query_gradients).sum(1).mean())
    # Of the count^2 products in the product of two means, count are of an episode with itself.
    dot_product = float((support_gradients.mean(0) * query_gradients.mean(0)).sum())
    common = (dot_product - shared / count) * count / (count - 1)
    return max(0.0, shared - common), max(
        0.0, float(support_gradients.square().sum(1).mean()) - shared
    )


def _share(diversity: float, noise: float) -> float:
    return diversity / (diversity + noise) if diversity + noise > 0 else 0.5


def _jackknife(support_gradients: torch.Tensor, query_gradients: torch.Tensor) -> float:
    folds = np.array_split(np.arange(len(support_gradients)), _FOLDS)
    shares = []
    for fold in folds:
        kept_rows = torch.from_numpy(np.setdiff1d(np.arange(len(support_gradients)), fold))
        shares.append(_share(*_parts(support_gradients[kept_rows], query_gradients[kept_rows])))
    return math.sqrt((len(shares) - 1) * float(np.var(shares)))


def _scale(learner: Learner, drawn: Episode) -> float:
    steps = learner.task.test_steps
    weights = {name: tensor.detach()[None] for name, tensor in learner.weights.items()}
    losses = []
    for rate in _RATES.tolist():
        rates = learner.rates(rate, steps, "adapt_lr")
        losses.append(float(adapted(learner, weights, rates, drawn, steps).query.mean()))
    return float(_RATES[int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))])
