"""Several meta-trainings in one: every rate and seed a trial, all updated together.

The weights of all trials lie in one tensor a parameter, and the optimizer works on that: optimizers
that treat every number by itself do to each trial what they would do to it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_map

from learnrate.meta._episodes import Episode
from learnrate.meta._inner import adapted, gradient, where_not_finite
from learnrate.meta._learner import Learner
from learnrate.meta._rates import Learned, Rates
from learnrate.trials import derived_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.meta._task import MetaTask

__all__ = ["ELEMENTWISE", "Population"]

ELEMENTWISE = (
    torch.optim.SGD,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.Adamax,
    torch.optim.RMSprop,
    torch.optim.Adagrad,
    torch.optim.Adadelta,
)
_EPISODES, _TEST = 40, 41  # what seeds are derived for


class Population:
    """Trials of one meta-task in training.

    Args:
        task: what is meta-trained.
        trials: the inner rate and the seed of each; equal seeds see equal episodes and start at
            equal weights.

    Attributes:
        failed: for each trial, where it left the finite range, or None.
    """

    def __init__(self, task: MetaTask, trials: Sequence[tuple[Any, int]]) -> None:
        self._task = task
        self._seeds = [seed for _, seed in trials]
        made = {seed: Learner(task, seed=seed) for seed in dict.fromkeys(self._seeds)}
        self.learner = made[self._seeds[0]]
        self.weights = {
            name: torch.stack(
                [made[seed].weights[name].detach() for seed in self._seeds]
            ).requires_grad_()
            for name in self.learner.weights
        }
        self.rates = self._rates([spec for spec, _ in trials])
        leaves = [*self.weights.values()]
        if self.rates.learned:
            leaves += [one.requires_grad_() for one in self.rates.values.values()]
        self._leaves = leaves
        self.optimizer = task.optimizer_of(leaves)
        self.failed: list[str | None] = [None] * len(trials)

    def __len__(self) -> int:
        return len(self._seeds)

    @property
    def stackable(self) -> bool:
        """Whether the optimizer treats every number by itself, so that trials do not mix."""
        return type(self.optimizer) in ELEMENTWISE

    def update(self, step: int) -> torch.Tensor:
        """One meta-update of every trial; returns their outer losses before it, shape (trials,)."""
        episode = self._drawn(self._task.episodes, self._task.batch, _EPISODES, step)
        found = gradient(self.learner, self.weights, self.rates, episode)
        slopes = [*found.weights.values(), *found.rates.values()]
        for leaf, slope in zip(self._leaves, slopes, strict=True):
            leaf.grad = slope
        self.optimizer.step()
        for trial, where in enumerate(where_not_finite(found.inner, found.query)):
            if where is not None and self.failed[trial] is None:
                self.failed[trial] = f"at meta-update {step} {where}"
        return found.loss

    def test(self, rates: Rates | None, steps: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Outer loss and metric after adaptation to the test's episodes, each (trials, episodes).

        Args:
            rates: of one trial, for all of them; None for those trained with.
            steps: of adaptation.
        """
        count = self._task.test_count
        episode = self._drawn(self._task.test_episodes, count, _TEST, 0)
        own = self.rates if rates is None else rates.stacked(len(self))
        found = adapted(self.learner, self.weights, _frozen(own), episode, steps)
        shape = len(self), count
        metric = None if found.metric is None else found.metric.reshape(shape)
        return found.query.reshape(shape), metric

    def _rates(self, specs: list[Any]) -> Rates:
        made = [self.learner.rates(spec, self._task.inner_steps, "inner_lr") for spec in specs]
        values = {name: torch.cat([one.values[name] for one in made]) for name in made[0].values}
        return Rates(values, learned=isinstance(specs[0], Learned))

    def _drawn(self, source: Any, count: int, purpose: int, step: int) -> Episode:
        """Each trial's episodes, by rows; drawn once a seed."""
        drawn: dict[int, Episode] = {
            seed: source.draw(count, derived_seed(seed, purpose, step))
            for seed in dict.fromkeys(self._seeds)
        }
        if len(self) == 1:
            return next(iter(drawn.values()))
        parts = [drawn[seed] for seed in self._seeds]
        together = tree_map(lambda *one: torch.cat(one), *[(p.support, p.query) for p in parts])
        return Episode(*together)


def _frozen(rates: Rates) -> Rates:
    return Rates({name: one.detach() for name, one in rates.values.items()})
