"""Through the inner loop: the meta-gradient of many trials, and models adapted to episodes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from learnrate._errors import TaskError
from learnrate.meta._learner import Learner, Weights, spread
from learnrate.meta._rates import Rates

if TYPE_CHECKING:
    from torch import nn

    from learnrate.meta._episodes import Episode
    from learnrate.meta._rates import RateSpec
    from learnrate.meta._task import MetaTask

__all__ = [
    "Adapted",
    "Gradient",
    "adapt",
    "adapted",
    "gradient",
    "meta_gradient",
    "where_not_finite",
]


@dataclass(frozen=True)
class Gradient:
    """The meta-gradient of some trials and the losses it was taken at.

    Attributes:
        weights: by parameter, shape (trials, *shape).
        rates: of learned rates, likewise.
        loss: each trial's mean outer loss, shape (trials,).
        inner: the inner losses, shape (steps, trials, episodes).
        query: the outer losses, shape (trials, episodes).
    """

    weights: Weights
    rates: Weights
    loss: torch.Tensor
    inner: torch.Tensor
    query: torch.Tensor


def gradient(learner: Learner, weights: Weights, rates: Rates, episode: Episode) -> Gradient:
    """The meta-gradient of every trial, each with its own share of the episodes' rows.

    Args:
        learner: the model.
        weights: of each trial before adaptation, shape (trials, *shape), requiring a gradient.
        rates: of each trial.
        episode: rows by trial, and by episode within a trial.
    """
    task = learner.task
    trials = len(next(iter(weights.values())))
    each = len(episode) // trials
    leaves = [*weights.values(), *(rates.values.values() if rates.learned else ())]
    totals = [torch.zeros_like(leaf) for leaf in leaves]
    inner, query = [], []
    for start in range(0, len(episode), task.at_once or len(episode)):
        index = torch.arange(start, min(start + (task.at_once or len(episode)), len(episode)))
        own = episode[start : start + len(index)]
        rows = None if trials == 1 else index // each
        begun = {name: spread(leaf, rows, len(index)) for name, leaf in weights.items()}
        second = task.algorithm in {"maml", "anil"}
        ended, losses = learner.descend(
            begun, own.support, rates, rows, task.inner_steps, second_order=second
        )
        inner.append(losses)
        if task.algorithm == "reptile":
            with torch.no_grad():
                query.append(learner.outer(ended, own.query))
                moved = [begun[name] - ended[name] for name in weights]
                target = torch.zeros(len(index), dtype=torch.long) if rows is None else rows
                for summed, move in zip(totals, moved, strict=True):
                    summed.index_add_(0, target, move / each)
            continue
        outer = learner.outer(ended, own.query)
        query.append(outer.detach())
        slopes = torch.autograd.grad(outer.sum() / each, leaves, allow_unused=True)
        for summed, slope in zip(totals, slopes, strict=True):
            if slope is not None:
                summed.add_(slope)
    found = torch.cat(query).reshape(trials, each)
    named = dict(zip(weights, totals[: len(weights)], strict=True))
    learned = dict(zip(rates.values, totals[len(weights) :], strict=False))
    return Gradient(
        named,
        learned,
        found.mean(dim=1),
        torch.cat(inner, dim=1).reshape(task.inner_steps, trials, each),
        found,
    )


@dataclass(frozen=True)
class Adapted:
    """A model adapted to some episodes, each with weights of its own.

    Attributes:
        weights: by parameter, shape (episodes, *shape).
        losses: on the support before each step, shape (steps, episodes).
        query: the outer loss after the last, shape (episodes,).
        metric: the task's metric after the last, shape (episodes,), or None.
    """

    weights: Weights
    losses: torch.Tensor
    query: torch.Tensor
    metric: torch.Tensor | None
    _model: nn.Module

    def module(self, episode: int) -> nn.Module:
        """The model with one episode's weights, a copy."""
        made = copy.deepcopy(self._model)
        with torch.no_grad():
            for name, parameter in made.named_parameters():
                if name in self.weights:
                    parameter.copy_(self.weights[name][episode])
        return made


def adapt(
    task: MetaTask,
    model: nn.Module,
    episode: Episode,
    *,
    adapt_lr: RateSpec | Rates | None = None,
    steps: int | None = None,
) -> Adapted:
    """Adapt a model to episodes at test time; the model itself is not touched.

    Args:
        task: says the loss and how it is adapted.
        model: what is adapted, as `MetaTrained.model`.
        episode: one or several, by rows.
        adapt_lr: the rate; the task's `adapt_lr` by default, and where that is None the task's
            `inner_lr`.
        steps: how many; the task's by default.

    Raises:
        ArgumentError: a rate fits no parameter, or the model keeps running statistics.
        TaskError: a loss is not finite; the message says in which episode and step.

    Examples:
        >>> import torch
        >>> from learnrate.meta import MetaTask, Sinusoids, adapt
        >>> task = MetaTask(
        ...     model=torch.nn.Linear(1, 1), loss=torch.nn.MSELoss(), episodes=Sinusoids()
        ... )
        >>> drawn = task.episodes.draw(4, seed=0)
        >>> adapt(task, task.model, drawn, adapt_lr=0.01, steps=3).losses.shape
        torch.Size([3, 4])
    """
    learner = Learner(task, model)
    count = task.test_steps if steps is None else steps
    given: Any = adapt_lr if adapt_lr is not None else task.adapt_lr
    if isinstance(given, Rates):
        rates = given
    elif given is not None:
        rates = learner.rates(given, count, "adapt_lr")
    else:
        rates = learner.rates(task.inner_lr, count, "inner_lr").of_trial(0)
    weights = {name: one.detach()[None] for name, one in learner.weights.items()}
    found = adapted(learner, weights, rates, episode, count)
    _check_finite(found.losses[:, None], found.query[None])
    return found


def adapted(
    learner: Learner, weights: Weights, rates: Rates, episode: Episode, steps: int
) -> Adapted:
    """The weights of every trial, shape (trials, *shape), adapted to its share of the rows."""
    trials = len(next(iter(weights.values())))
    limit = learner.task.at_once or len(episode)
    parts = []
    for start in range(0, len(episode), limit):
        own = episode[start : start + limit]
        index = torch.arange(start, start + len(own))
        rows = None if trials == 1 else index // (len(episode) // trials)
        begun = {
            name: spread(one.detach(), rows, len(own)).requires_grad_()
            for name, one in weights.items()
        }
        ended, losses = learner.descend(begun, own.support, rates, rows, steps, second_order=False)
        ended = {name: one.detach() for name, one in ended.items()}
        with torch.no_grad():
            query, metric = learner.outer(ended, own.query), learner.metric(ended, own.query)
        parts.append((ended, losses, query, metric))
    return Adapted(
        {name: torch.cat([part[0][name] for part in parts]) for name in weights},
        torch.cat([part[1] for part in parts], dim=1),
        torch.cat([part[2] for part in parts]),
        None if parts[0][3] is None else torch.cat([torch.as_tensor(part[3]) for part in parts]),
        learner.model,
    )


def meta_gradient(
    task: MetaTask, model: nn.Module, episode: Episode, *, inner_lr: Any = None
) -> Weights:
    """The meta-gradient of a model's weights over some episodes, by parameter.

    Args:
        task: says the algorithm, the losses and the inner loop.
        model: where the gradient is taken; not touched.
        episode: one or several, by rows; their mean counts.
        inner_lr: the rate; the task's by default.

    Raises:
        ArgumentError: a rate fits no parameter, or the model keeps running statistics.
        TaskError: a loss is not finite; the message says in which episode and step.
    """
    learner = Learner(task, model)
    weights = {n: one.detach()[None].requires_grad_() for n, one in learner.weights.items()}
    spec = task.inner_lr if inner_lr is None else inner_lr
    rates = learner.rates(spec, task.inner_steps, "inner_lr").of_trial(0)
    found = gradient(learner, weights, Rates(rates.values), episode)
    _check_finite(found.inner, found.query)
    return {name: one[0] for name, one in found.weights.items()}


def where_not_finite(inner: torch.Tensor, query: torch.Tensor) -> list[str | None]:
    """For each trial, where its first loss that is not finite lies, in words; None if none is.

    Args:
        inner: shape (steps, trials, episodes).
        query: shape (trials, episodes).
    """
    losses = torch.cat([inner, query[None]])
    if torch.isfinite(losses).all():
        return [None] * losses.shape[1]
    return [_first_bad(losses[:, trial]) for trial in range(losses.shape[1])]


def _first_bad(losses: torch.Tensor) -> str | None:
    bad = (~torch.isfinite(losses)).nonzero()
    if not len(bad):
        return None
    step, episode = bad[0].tolist()
    steps, episodes = len(losses) - 1, losses.shape[1]
    when = f"at inner step {step} of {steps}" if step < steps else f"after {steps} inner steps"
    return f"the loss of episode {episode} of {episodes} is {float(losses[step, episode])} {when}"


def _check_finite(inner: torch.Tensor, query: torch.Tensor) -> None:
    where = where_not_finite(inner, query)[0]
    if where is not None:
        raise TaskError(
            f"the inner loop left the finite range: {where}. "
            "Bring the inner rate nearer to 0, or look at that episode's data."
        )
