"""Which regime a person's own episodes are in: task diversity against noise, and what to try."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._files import number_or_none
from learnrate.meta._inner import adapted
from learnrate.meta._learner import Learner
from learnrate.meta._sweep import sweep
from learnrate.meta._train import checked_count
from learnrate.trials import derived_seed, kept_random_state, seed_everything

if TYPE_CHECKING:
    from learnrate.meta._episodes import Episode
    from learnrate.meta._task import MetaTask

__all__ = ["Advice", "Regime", "advise"]

_RATES = np.geomspace(1e-4, 10.0, 16)
_FOLDS = 20
_BOUNDARY = 0.2  # of the share: between isotropic regression and sine waves, as measured
_SURE = 2.0  # standard errors that a verdict needs


class Regime(StrEnum):
    """Which sign of the inner rate the measurements speak for; the value is the advice."""

    NOISE = (
        "noise-dominated: an inner step in meta-training mostly fits noise. Try negative inner "
        "rates, and adapt with a positive one."
    )
    DIVERSE = (
        "diverse: what an inner step learns is the task's own. Positive inner rates usually win "
        "here; keep zero and a few negative ones in the sweep as a check."
    )
    UNCLEAR = "unclear: neither measurement decides. Sweep both signs; only the sweep can tell."


@dataclass(frozen=True)
class Advice:
    """Task diversity against noise, as the gradients of the first weights show them.

    Attributes:
        diversity: how far episodes' expected gradients scatter (mean square about their mean).
        noise: how far an episode's gradient on its support scatters about what it expects. That of
            labels and of which points were drawn are one figure here.
        share: diversity / (diversity + noise), 0 to 1.
        error: its standard error, by the jackknife over episodes.
        scale: the adaptation rate of lowest loss from the first weights: what size rates have.
        probe: the test loss after a short meta-training at `scale` less that at `-scale`, both
            adapted at `scale`, paired by seed; above 0 speaks for negative rates. None without one.
        probe_error: its standard error over seeds.
        regime: the verdict, the probe's where it lies two standard errors from 0, else the share's.
        grid: inner rates worth a sweep, `low:high:count`.
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
        """What `learnrate meta advise --json` prints, without NaN."""
        made = {
            name: number_or_none(value) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }
        return {**made, "regime": self.regime.name.lower(), "advice": str(self.regime)}


def advise(task: MetaTask, *, episodes: int = 200, probe: int = 100, seed: int = 0) -> Advice:
    r"""Measure task diversity against noise from a task's own episodes, and say what to try.

    Support and query of an episode are independent draws of one task, so the mean product of their
    gradients has no noise in it: diversity is $E[g_s \cdot g_q] - |E g|^2$ over episodes, and noise
    is $E|g_s|^2 - E[g_s \cdot g_q]$. Both are at
    the first weights. The share alone misleads where classes are numbered anew in every episode: on
    Omniglot, 5-way 1-shot, it is 6 % and yet positive rates win by far. So a short meta-training at
    either sign decides where it can; where it cannot, a share below 20 % is called noise.

    Args:
        task: whose episodes and first weights.
        episodes: how many to measure, at least 20.
        probe: meta-updates of the short training, with three seeds at either sign; 0 for none.
        seed: of weights and episodes.

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
    count = max(_FOLDS, checked_count("episodes", episodes))
    with kept_random_state():
        seed_everything(seed)
        learner = Learner(task, seed=seed)
        drawn = task.episodes.draw(count, derived_seed(seed, 43))
        near, far = _gradients(learner, drawn.support), _gradients(learner, drawn.query)
        scale = _scale(learner, drawn)
    diversity, noise = _parts(near, far)
    share = _share(diversity, noise)
    error = _jackknife(near, far)
    tried = _probed(task, scale, probe, seed) if probe else (None, None)
    regime = _verdict(share - _BOUNDARY, error)
    if tried[0] is not None and tried[1] is not None:
        by_probe = _verdict(-tried[0], tried[1])
        regime = regime if by_probe is Regime.UNCLEAR else by_probe
    grid = f"{-scale:.2g}:{scale:.2g}:13"
    return Advice(diversity, noise, share, error, scale, *tried, regime, grid)


def _verdict(value: float, error: float) -> Regime:
    """Diverse above 0, noise below, if far enough from it."""
    if abs(value) <= _SURE * error:
        return Regime.UNCLEAR
    return Regime.DIVERSE if value > 0 else Regime.NOISE


def _probed(
    task: MetaTask, scale: float, steps: int, seed: int
) -> tuple[float | None, float | None]:
    """How much worse the positive sign is, and the standard error; None where one diverged."""
    plain = replace(task, inner_lr=0.0, adapt_lr=None)
    found = sweep(
        plain, [-scale, scale], [scale], seeds=3, total_steps=steps, seed=seed, progress=False
    ).losses[:, 0]
    if not np.isfinite(found).all():
        return None, None
    gain = found[1] - found[0]
    return float(gain.mean()), float(gain.std(ddof=1)) / math.sqrt(len(gain))


def _gradients(learner: Learner, batch: Any) -> torch.Tensor:
    """Every episode's gradient at the first weights, shape (episodes, n)."""
    rows = len(torch.utils._pytree.tree_leaves(batch)[0])  # noqa: SLF001 - torch's only one
    weights = {
        name: one.detach().expand(rows, *one.shape).clone().requires_grad_()
        for name, one in learner.weights.items()
    }
    loss = learner.inner(weights, batch).sum()
    slopes = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    return torch.cat([one.flatten(1) for one in slopes if one is not None], dim=1).double()


def _parts(near: torch.Tensor, far: torch.Tensor) -> tuple[float, float]:
    count = len(near)
    shared = float((near * far).sum(1).mean())
    # The product of two means holds count of count^2 products of an episode with itself.
    dot_product = float((near.mean(0) * far.mean(0)).sum())
    common = (dot_product - shared / count) * count / (count - 1)
    return max(0.0, shared - common), max(0.0, float(near.square().sum(1).mean()) - shared)


def _share(diversity: float, noise: float) -> float:
    return diversity / (diversity + noise) if diversity + noise > 0 else 0.5


def _jackknife(near: torch.Tensor, far: torch.Tensor) -> float:
    folds = np.array_split(np.arange(len(near)), _FOLDS)
    shares = []
    for fold in folds:
        kept = torch.from_numpy(np.setdiff1d(np.arange(len(near)), fold))
        shares.append(_share(*_parts(near[kept], far[kept])))
    return math.sqrt((len(shares) - 1) * float(np.var(shares)))


def _scale(learner: Learner, drawn: Episode) -> float:
    steps = learner.task.test_steps
    weights = {name: one.detach()[None] for name, one in learner.weights.items()}
    losses = []
    for rate in _RATES.tolist():
        rates = learner.rates(rate, steps, "adapt_lr")
        losses.append(float(adapted(learner, weights, rates, drawn, steps).query.mean()))
    return float(_RATES[int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))])
