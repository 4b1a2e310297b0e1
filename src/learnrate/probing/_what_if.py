"""The what-if probe: a short trial of the live training at other rates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._errors import ArgumentError, TaskError
from learnrate.probing._fork import check_model, check_optimizer, forked, loss_at, now
from learnrate.probing._verdict import WhatIf, direction_of, gains_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import nn
    from torch.optim import Optimizer

    from learnrate.probing._fork import Loss

__all__ = ["what_if"]

_DIVERGES_ABOVE = 2.0  # times the loss before


def what_if(
    model: nn.Module,
    optimizer: Optimizer,
    loss_of: Callable[[nn.Module, Any], torch.Tensor],
    batches: Iterable[Any],
    *,
    factors: Sequence[float] = (0.5, 1.0, 2.0),
    steps: int = 20,
    anneal: int | None = None,
    judge: Iterable[Any] | None = None,
    confidence: float = 0.95,
    clip_norm: float | None = None,
    extra_state: Iterable[Any] = (),
) -> WhatIf:
    """Try factors of the present rate from the live state, and tell whether to raise or lower the rate.

    Every factor trains from the same state, on the same batches, with the same random numbers:
    `steps` updates at its rate, then `anneal` more while the rate falls linearly to 0. Losses are
    compared with those of the factor 1, batch by batch, by a paired t test.

    Two biases have to be taken into account. Right after a cut the loss always falls, because a
    lower rate has less noise. After an anneal, a higher rate looks better than it is for the rest of
    the run, because it has made more progress and its noise is gone. A direction therefore counts only if
    it wins against its bias:

        lower   a lower factor wins after the anneal, or before the anneal if the present rate has
                doubled the loss
        raise   a higher factor wins before the anneal
        keep    a lower factor wins before the anneal and not after it
        unclear otherwise

    The model, its gradients and buffers, the optimizer's state and rates, the modes and the global
    random generators are restored to the last bit, even after an error or Ctrl-C. The optimizer's hooks
    are not called meanwhile. Name anything else that `loss_of` changes in `extra_state`.

    Memory: a second copy of weights, gradients and optimizer state.
    Cost: len(factors) * (steps + anneal) gradients, and two forward passes for each judging batch
    and factor.

    Args:
        model: the model that is trained, in its present mode. Under DDP, `model.module` on one rank.
        optimizer: the optimizer that trains it. The rates of all groups are multiplied.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        batches: what to train on, repeated if there are too few. Without `judge`, their last third is
            used for judging instead. Take them from a separate loader, so that the training's own loader
            keeps its position.
        factors: the factors of the present rate; 1 is always tried.
        steps: updates of each trial at its rate.
        anneal: further updates while the rate falls to 0; as many as `steps` by default.
        judge: at least 3 batches that losses are compared on, and that are not trained on.
        confidence: the level at which a difference counts, between 0 and 1.
        clip_norm: the gradient norm that updates are clipped to; None for no clipping.
        extra_state: further objects with a state (a criterion, an average of the weights).

    Raises:
        ArgumentError: a value is outside its rule.
        TaskError: the loss is not a tensor of one number, or not finite before the trial.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(4, 1, bias=False)
        >>> generator = torch.Generator().manual_seed(0)
        >>> inputs = torch.randn(9, 16, 4, generator=generator)
        >>> batches = [(batch, batch.sum(1, keepdim=True)) for batch in inputs]
        >>> def loss_of(model, batch):
        ...     return torch.nn.functional.mse_loss(model(batch[0]), batch[1])
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)  # far too low
        >>> what_if(model, optimizer, loss_of, batches).verdict.name
        'RAISE'
        >>> optimizer.param_groups[0]["lr"]
        0.001
    """
    check_model("what_if", model)
    optimizer = check_optimizer("what_if", optimizer)
    factors = _checked_factors(factors)
    anneal = steps if anneal is None else anneal
    _check_count("steps", steps)
    _check_count("anneal", anneal)
    if not 0 < confidence < 1:
        raise ArgumentError(f"what_if(confidence=...) must lie between 0 and 1; got {confidence}.")
    train, judging = _split(list(batches), None if judge is None else list(judge))
    lr = max(float(group["lr"]) for group in optimizer.param_groups)
    if not lr > 0:
        raise ArgumentError(f"what_if(optimizer=...) must have a rate above 0; got {lr}.")
    began = now()
    with forked(model, optimizer, extra_state) as restore:
        fork = _Fork(model, optimizer, loss_of, train, judging, clip_norm=clip_norm)
        before = fork.losses()
        if not np.isfinite(before).all():
            raise TaskError(f"what_if: the loss is {before.mean():g} already; it must be finite.")
        constant: list[np.ndarray] = []
        annealed: list[np.ndarray] = []
        for factor in factors:
            restore()
            losses_constant, losses_annealed = fork.run(factor, steps, anneal)
            constant.append(losses_constant)
            annealed.append(losses_annealed)
    constant_gains, annealed_gains = gains_of(factors, constant), gains_of(factors, annealed)
    diverges = bool(constant[factors.index(1.0)].mean() > _DIVERGES_ABOVE * before.mean())
    return WhatIf(
        lr=lr,
        factors=factors,
        steps=steps,
        anneal=anneal,
        judged=len(judging),
        before=float(before.mean()),
        constant=tuple(float(losses.mean()) for losses in constant),
        annealed=tuple(float(losses.mean()) for losses in annealed),
        constant_gains=constant_gains,
        annealed_gains=annealed_gains,
        confidence=confidence,
        verdict=direction_of(constant_gains, annealed_gains, confidence, diverges=diverges),
        cost=fork.cost,
        seconds=now() - began,
    )


class _Fork:
    """A fork of the training that trains and judges, and counts what that costs."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loss_of: Loss,
        train: list[Any],
        judging: list[Any],
        *,
        clip_norm: float | None,
    ) -> None:
        self._model, self._optimizer, self._loss_of = model, optimizer, loss_of
        self._train, self._judging, self._clip_norm = train, judging, clip_norm
        self._parameters = [
            parameter for group in optimizer.param_groups for parameter in group["params"]
        ]
        self.cost = 0.0

    def run(self, factor: float, steps: int, anneal: int) -> tuple[np.ndarray, np.ndarray]:
        """The judging batches' losses before and after the anneal; all infinite if it diverged.

        Args:
            factor: the factor of the present rate.
            steps: updates at a constant rate.
            anneal: further updates while the rate falls to 0.
        """
        rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        torch.manual_seed(0)  # the same for every factor; the training's own state is restored
        shares = [1.0] * steps + [1.0 - (step + 1) / (anneal + 1) for step in range(anneal)]
        before_anneal = np.full(len(self._judging), math.inf)
        for step, share in enumerate(shares):
            if step == steps:
                before_anneal = self.losses()
            for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
                _set_rate(group, rate * factor * share)
            if not self._update(self._train[step % len(self._train)]):
                diverged = np.full_like(before_anneal, math.inf)
                return diverged, diverged
        return before_anneal, self.losses()

    def losses(self) -> np.ndarray:
        """The loss of each judging batch, in the mode the model trains in."""
        self.cost += len(self._judging) / 3
        state = torch.get_rng_state()
        torch.manual_seed(1)
        with torch.no_grad():
            losses = [
                float(loss_at("what_if", self._loss_of, self._model, batch))
                for batch in self._judging
            ]
        torch.set_rng_state(state)
        return np.asarray(np.nan_to_num(np.array(losses), nan=math.inf))

    def _update(self, batch: Any) -> bool:
        """Make one update, unless the loss is not finite."""
        self.cost += 1.0
        self._optimizer.zero_grad()
        loss = loss_at("what_if", self._loss_of, self._model, batch)
        if not torch.isfinite(loss):
            return False
        loss.backward()
        if self._clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        self._optimizer.step()
        return True


def _checked_factors(factors: Sequence[float]) -> tuple[float, ...]:
    distinct = {float(factor) for factor in factors} | {1.0}
    if len(distinct) < 2 or not all(0 < factor < math.inf for factor in distinct):
        raise ArgumentError(
            "what_if(factors=...) must be finite, above 0, and not 1 alone; got "
            f"{list(factors)}. Example: factors=(0.5, 2.0)"
        )
    return tuple(sorted(distinct))


def _check_count(argument: str, value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ArgumentError(
            f"what_if({argument}=...) must be a whole number, at least 1; got {value!r}."
        )


def _split(batches: list[Any], judge: list[Any] | None) -> tuple[list[Any], list[Any]]:
    if judge is None:
        if len(batches) < 9:
            raise ArgumentError(
                "what_if(batches=...) must hold at least 9 batches, of which the last third "
                f"judges; got {len(batches)}. Give more, or judge=[...]."
            )
        share = len(batches) // 3
        return batches[:-share], batches[-share:]
    if not batches or len(judge) < 3:
        raise ArgumentError(
            "what_if needs at least 1 batch to train on and 3 to judge; got "
            f"{len(batches)} and {len(judge)}."
        )
    return batches, judge


def _set_rate(group: dict[str, Any], rate: float) -> None:
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
