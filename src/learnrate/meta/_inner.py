"""The meta-gradient of many trials, and models adapted to episodes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from learnrate._checks import check_whole, refuse
from learnrate._errors import TaskError
from learnrate.meta._episodes import Episode
from learnrate.meta._learner import Learner, Weights, spread
from learnrate.meta._rates import InnerRates
from learnrate.meta._task import check_meta_task

if TYPE_CHECKING:
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
    """The meta-gradient of some trials, and the losses.

    Attributes:
        weights: the gradient of the weights, by parameter, shape (trials, *shape).
        rates: the gradient of learned rates, by parameter, shape (trials, *shape).
        loss: each trial's mean outer loss, shape (trials,).
        inner: the inner losses, shape (steps, trials, episodes).
        query: the outer losses, shape (trials, episodes).
    """

    weights: Weights
    rates: Weights
    loss: torch.Tensor
    inner: torch.Tensor
    query: torch.Tensor


def gradient(learner: Learner, weights: Weights, rates: InnerRates, episode: Episode) -> Gradient:
    """The meta-gradient of every trial, each on its own rows of the episodes.

    Args:
        learner: the model.
        weights: the weights of each trial before adaptation, shape (trials, *shape), requiring a
            gradient.
        rates: the rates of each trial.
        episode: rows in the order of trials, and of episodes within a trial.
    """
    task = learner.task
    trials = len(next(iter(weights.values())))
    per_trial = len(episode) // trials
    leaves = [*weights.values(), *(rates.values.values() if rates.learned else ())]
    totals = [torch.zeros_like(leaf) for leaf in leaves]
    inner, query = [], []
    for start in range(0, len(episode), task.chunk_size or len(episode)):
        index = torch.arange(start, min(start + (task.chunk_size or len(episode)), len(episode)))
        chunk = episode[start : start + len(index)]
        rows = None if trials == 1 else index // per_trial
        initial = {name: spread(leaf, rows, len(index)) for name, leaf in weights.items()}
        second = task.algorithm in {"maml", "anil"}
        ended, losses = learner.descend(
            initial, chunk.support, rates, rows, task.inner_steps, second_order=second
        )
        inner.append(losses)
        if task.algorithm == "reptile":
            with torch.no_grad():
                query.append(learner.outer(ended, chunk.query))
                moved = [initial[name] - ended[name] for name in weights]
                target = torch.zeros(len(index), dtype=torch.long) if rows is None else rows
                for summed, move in zip(totals, moved, strict=True):
                    summed.index_add_(0, target, move / per_trial)
            continue
        outer = learner.outer(ended, chunk.query)
        query.append(outer.detach())
        slopes = torch.autograd.grad(outer.sum() / per_trial, leaves, allow_unused=True)
        for summed, slope in zip(totals, slopes, strict=True):
            if slope is not None:
                summed.add_(slope)
    query_losses = torch.cat(query).reshape(trials, per_trial)
    named = dict(zip(weights, totals[: len(weights)], strict=True))
    learned = dict(zip(rates.values, totals[len(weights) :], strict=False))
    return Gradient(
        named,
        learned,
        query_losses.mean(dim=1),
        torch.cat(inner, dim=1).reshape(task.inner_steps, trials, per_trial),
        query_losses,
    )


@dataclass(frozen=True)
class Adapted:
    """A model adapted to episodes, with separate weights for each.

    Attributes:
        weights: the weights, by parameter, shape (episodes, *shape).
        losses: the loss on the support before each step, shape (steps, episodes).
        query: the outer loss after the last step, shape (episodes,).
        metric: the task's metric after the last step, shape (episodes,), or None.
    """

    weights: Weights
    losses: torch.Tensor
    query: torch.Tensor
    metric: torch.Tensor | None
    _model: nn.Module

    def module(self, episode: int) -> nn.Module:
        """A copy of the model with the weights of one episode."""
        model = copy.deepcopy(self._model)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in self.weights:
                    parameter.copy_(self.weights[name][episode])
        return model


def adapt(
    task: MetaTask,
    model: nn.Module,
    episode: Episode,
    *,
    adapt_lr: RateSpec | InnerRates | None = None,
    steps: int | None = None,
) -> Adapted:
    """Adapt a model to episodes at test time; the model itself is not changed.

    Args:
        task: defines the loss and the inner loop.
        model: the model to adapt, such as `MetaTrained.model`.
        episode: one or several episodes.
        adapt_lr: the rate; by default the task's `adapt_lr`, or its `inner_lr` if that is None.
        steps: the number of steps; the task's by default.

    Raises:
        ArgumentError: a rate does not fit a parameter, or the model keeps running statistics.
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
    check_meta_task("adapt", task)
    if not isinstance(model, nn.Module):
        refuse("adapt", "model", "a torch.nn.Module, such as MetaTrained.model", model)
    if not isinstance(episode, Episode) or len(episode) == 0:
        refuse(
            "adapt",
            "episode",
            "one or more episodes, such as task.episodes.draw(4, seed=1)",
            episode,
        )
    count = task.test_steps if steps is None else steps
    check_whole("adapt", "steps", count, 1, "For the loss without adaptation, pass adapt_lr=0.")
    learner = Learner(task, model)
    spec: Any = adapt_lr if adapt_lr is not None else task.adapt_lr
    if isinstance(spec, InnerRates):
        rates = spec
    elif spec is not None:
        rates = learner.rates(spec, count, "adapt_lr")
    else:
        rates = learner.rates(task.inner_lr, count, "inner_lr").of_trial(0)
    weights = {name: parameter.detach()[None] for name, parameter in learner.weights.items()}
    result = adapted(learner, weights, rates, episode, count)
    _check_finite(result.losses[:, None], result.query[None])
    return result


def adapted(
    learner: Learner, weights: Weights, rates: InnerRates, episode: Episode, steps: int
) -> Adapted:
    """The weights of every trial, adapted to its own rows of the episodes.

    Args:
        learner: the model.
        weights: the weights of each trial, shape (trials, *shape).
        rates: the rates of one or several trials.
        episode: rows in the order of trials, and of episodes within a trial.
        steps: the number of adaptation steps.
    """
    trials = len(next(iter(weights.values())))
    limit = learner.task.chunk_size or len(episode)
    parts = []
    for start in range(0, len(episode), limit):
        chunk = episode[start : start + limit]
        index = torch.arange(start, start + len(chunk))
        rows = None if trials == 1 else index // (len(episode) // trials)
        initial = {
            name: spread(leaf.detach(), rows, len(chunk)).requires_grad_()
            for name, leaf in weights.items()
        }
        ended, losses = learner.descend(
            initial, chunk.support, rates, rows, steps, second_order=False
        )
        ended = {name: tensor.detach() for name, tensor in ended.items()}
        with torch.no_grad():
            query, metric = learner.outer(ended, chunk.query), learner.metric(ended, chunk.query)
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
        task: defines the algorithm, the losses and the inner loop.
        model: the weights at which the gradient is taken; it is not changed.
        episode: one or several episodes, over which the gradient is averaged.
        inner_lr: the rate; the task's by default.

    Raises:
        ArgumentError: a rate does not fit a parameter, or the model keeps running statistics.
        TaskError: a loss is not finite; the message says in which episode and step.
    """
    learner = Learner(task, model)
    weights = {
        n: parameter.detach()[None].requires_grad_() for n, parameter in learner.weights.items()
    }
    spec = task.inner_lr if inner_lr is None else inner_lr
    rates = learner.rates(spec, task.inner_steps, "inner_lr").of_trial(0)
    result = gradient(learner, weights, InnerRates(rates.values), episode)
    _check_finite(result.inner, result.query)
    return {name: slope[0] for name, slope in result.weights.items()}


def where_not_finite(inner: torch.Tensor, query: torch.Tensor) -> list[str | None]:
    """For each trial, where its first loss is that is not finite, as text; None if all are finite.

    Args:
        inner: the inner losses, shape (steps, trials, episodes).
        query: the outer losses, shape (trials, episodes).
    """
    losses = torch.cat([inner, query[None]])
    if torch.isfinite(losses).all():
        return [None] * losses.shape[1]
    return [_first_not_finite(losses[:, trial]) for trial in range(losses.shape[1])]


def _first_not_finite(losses: torch.Tensor) -> str | None:
    not_finite = (~torch.isfinite(losses)).nonzero()
    if not len(not_finite):
        return None
    step, episode = not_finite[0].tolist()
    steps, episodes = len(losses) - 1, losses.shape[1]
    plural = "" if steps == 1 else "s"
    when = (
        f"at inner step {step} of {steps}" if step < steps else f"after {steps} inner step{plural}"
    )
    return f"the loss of episode {episode} of {episodes} is {float(losses[step, episode])} {when}"


def _check_finite(inner: torch.Tensor, query: torch.Tensor) -> None:
    where = where_not_finite(inner, query)[0]
    if where is not None:
        raise TaskError(
            f"the inner loop diverged: {where}. "
            "Use an inner rate closer to 0, or check that episode's data."
        )
