"""Several meta-trainings at once: one trial for each rate and seed, all updated together.

Each parameter is one tensor with the weights of all trials, and the optimizer updates these tensors.
An elementwise optimizer makes the same updates to each trial as it would alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_map

from learnrate.meta._episodes import Episode, draw_episodes
from learnrate.meta._inner import adapted, gradient, where_not_finite
from learnrate.meta._learner import Learner
from learnrate.meta._rates import InnerRates, Learned
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
_EPISODES, _TEST = 40, 41  # purposes that seeds are derived for


class Population:
    """Trials of one meta-task in training.

    Args:
        task: what is meta-trained.
        trials: the inner rate and the seed of each. Trials with the same seed have the same episodes
            and the same initial weights.

    Attributes:
        failed: for each trial, where it diverged, or None.
    """

    def __init__(self, task: MetaTask, trials: Sequence[tuple[Any, int]]) -> None:
        self._task = task
        self._seeds = [seed for _, seed in trials]
        learners = {seed: Learner(task, seed=seed) for seed in dict.fromkeys(self._seeds)}
        self.learner = learners[self._seeds[0]]
        self.weights = {
            name: torch.stack(
                [learners[seed].weights[name].detach() for seed in self._seeds]
            ).requires_grad_()
            for name in self.learner.weights
        }
        self.rates = self._rates([spec for spec, _ in trials])
        leaves = [*self.weights.values()]
        if self.rates.learned:
            leaves += [rate.requires_grad_() for rate in self.rates.values.values()]
        self._leaves = leaves
        self.optimizer = task.optimizer_of(leaves)
        self.failed: list[str | None] = [None] * len(trials)

    def __len__(self) -> int:
        return len(self._seeds)

    @property
    def stackable(self) -> bool:
        """Whether the optimizer is elementwise, so that trials do not influence each other."""
        return type(self.optimizer) in ELEMENTWISE

    def update(self, step: int) -> torch.Tensor:
        """Make one meta-update of every trial; returns the outer losses before it, shape (trials,)."""
        episode = self._draw(self._task.episodes, self._task.batch, _EPISODES, step)
        meta_gradient = gradient(self.learner, self.weights, self.rates, episode)
        slopes = [*meta_gradient.weights.values(), *meta_gradient.rates.values()]
        for leaf, slope in zip(self._leaves, slopes, strict=True):
            leaf.grad = slope
        self.optimizer.step()
        for trial, where in enumerate(where_not_finite(meta_gradient.inner, meta_gradient.query)):
            if where is not None and self.failed[trial] is None:
                self.failed[trial] = f"at meta-update {step} {where}"
        return meta_gradient.loss

    def test(
        self, rates: InnerRates | None, steps: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Outer loss and metric after adaptation to the test episodes, each (trials, episodes).

        Args:
            rates: the rates of one trial, to be used for all; None for the rates of meta-training.
            steps: the number of adaptation steps.
        """
        count = self._task.test_count
        episode = self._draw(self._task.test_episodes, count, _TEST, 0)
        test_rates = self.rates if rates is None else rates.stacked(len(self))
        result = adapted(self.learner, self.weights, _frozen(test_rates), episode, steps)
        shape = len(self), count
        metric = None if result.metric is None else result.metric.reshape(shape)
        return result.query.reshape(shape), metric

    def _rates(self, specs: list[Any]) -> InnerRates:
        trial_rates = [
            self.learner.rates(spec, self._task.inner_steps, "inner_lr") for spec in specs
        ]
        values = {
            name: torch.cat([rates.values[name] for rates in trial_rates])
            for name in trial_rates[0].values
        }
        return InnerRates(values, learned=isinstance(specs[0], Learned))

    def _draw(self, source: Any, count: int, purpose: int, step: int) -> Episode:
        """The episodes of all trials as rows; each seed's are drawn once."""
        drawn: dict[int, Episode] = {
            seed: draw_episodes(source, count, derived_seed(seed, purpose, step))
            for seed in dict.fromkeys(self._seeds)
        }
        if len(self) == 1:
            return next(iter(drawn.values()))
        parts = [drawn[seed] for seed in self._seeds]
        together = tree_map(
            lambda *tensors: torch.cat(tensors), *[(p.support, p.query) for p in parts]
        )
        return Episode(*together)


def _frozen(rates: InnerRates) -> InnerRates:
    return InnerRates({name: values.detach() for name, values in rates.values.items()})
