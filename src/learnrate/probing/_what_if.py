"""The what-if probe: the live training, tried for a moment at other rates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._errors import ArgumentError, TaskError
from learnrate.probing._fork import check_model, check_optimizer, forked, loss_at, now
from learnrate.probing._verdict import WhatIf, gains_of, verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import nn
    from torch.optim import Optimizer

    from learnrate.probing._fork import Loss

__all__ = ["what_if"]

_AWAY = 2.0  # times the loss before: the present rate makes it run away


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
    level: float = 0.05,
    clip_norm: float | None = None,
    also: Iterable[Any] = (),
) -> WhatIf:
    """Try factors of the present rate from the live state, and say which way the rate should go.

    Every factor trains from the very same state, on the same batches with the same random numbers:
    `steps` updates at its rate, then `anneal` more while the rate falls linearly to 0. Losses are
    compared batch by batch with the factor of 1, by a paired t test.

    Two biases have to be told from an answer. Right after a cut the loss always falls, because a
    lower rate carries less noise; and after an anneal a higher rate looks better than it is over
    the rest of the run, because it has come further and its noise is taken away. So each direction
    is believed only against its bias:

        lower   a lower factor wins after the anneal, or before it where the present rate has
                doubled the loss meanwhile
        raise   a higher factor wins before it
        keep    a lower factor wins before the anneal and not after it
        unclear otherwise

    The model, its gradients and buffers, the optimizer's state and rates, the modes and the global
    random generators are put back to the bit, also after an error or Ctrl-C. Hooks of the
    optimizer rest meanwhile. What else `loss_of` changes, name in `also`.

    Memory: a second copy of weights, gradients and optimizer state.
    Cost: len(factors) * (steps + anneal) gradients, and two forward passes a judging batch and
    factor.

    Args:
        model: as it is trained, in the mode it is in. Under DDP, `model.module` on one rank.
        optimizer: what trains it. Rates of all groups are multiplied.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        batches: what to train on, repeated if too few; without `judge` their last third judges
            instead. Take them from a loader of their own, so that the training's goes on where it
            is.
        factors: of the present rate; 1 is always tried.
        steps: updates of each trial at its rate.
        anneal: updates down to a rate of 0; as many as `steps` by default.
        judge: at least 3 batches that losses are compared on, and not trained on.
        level: of the test.
        clip_norm: the gradient norm that updates are clipped to.
        also: further objects with a state (a criterion, an average of the weights).

    Raises:
        ArgumentError: a value outside its rule.
        TaskError: the loss is no number, or not finite before anything was tried.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(4, 1, bias=False)
        >>> own = torch.Generator().manual_seed(0)
        >>> x = torch.randn(9, 16, 4, generator=own)
        >>> batches = [(one, one.sum(1, keepdim=True)) for one in x]
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
    tried = _factors(factors)
    anneal = steps if anneal is None else anneal
    _whole("steps", steps, 1)
    _whole("anneal", anneal, 1)
    if not 0 < level < 1:
        raise ArgumentError(f"what_if(level=...) must lie between 0 and 1; got {level}.")
    train, judging = _split(list(batches), None if judge is None else list(judge))
    lr = max(float(group["lr"]) for group in optimizer.param_groups)
    if not lr > 0:
        raise ArgumentError(f"what_if(optimizer=...) must have a rate above 0; got {lr}.")
    began = now()
    with forked(model, optimizer, also) as restore:
        trial = _Trial(model, optimizer, loss_of, train, judging, clip_norm=clip_norm)
        before = trial.losses()
        if not np.isfinite(before).all():
            raise TaskError(f"what_if: the loss is {before.mean():g} already; it must be finite.")
        held: list[np.ndarray] = []
        annealed: list[np.ndarray] = []
        for factor in tried:
            restore()
            for losses, found in zip(
                (held, annealed), trial.run(factor, steps, anneal), strict=True
            ):
                losses.append(found)
    now_gains, then_gains = gains_of(tried, held), gains_of(tried, annealed)
    runs_away = bool(held[tried.index(1.0)].mean() > _AWAY * before.mean())
    return WhatIf(
        lr=lr,
        factors=tried,
        steps=steps,
        anneal=anneal,
        judged=len(judging),
        before=float(before.mean()),
        held=tuple(float(one.mean()) for one in held),
        annealed=tuple(float(one.mean()) for one in annealed),
        held_gains=now_gains,
        annealed_gains=then_gains,
        level=level,
        verdict=verdict_of(now_gains, then_gains, level, runs_away=runs_away),
        cost=trial.cost,
        seconds=now() - began,
    )


class _Trial:
    """Trains and judges, and counts what that costs."""

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
        self._parameters = [one for group in optimizer.param_groups for one in group["params"]]
        self.cost = 0.0

    def run(self, factor: float, steps: int, anneal: int) -> tuple[np.ndarray, np.ndarray]:
        """The judging batches' losses before and after the anneal; all infinite if it diverged."""
        rates = [_read(group) for group in self._optimizer.param_groups]
        torch.manual_seed(0)  # the same for every factor; the training's own state is put back
        shares = [1.0] * steps + [1.0 - (at + 1) / (anneal + 1) for at in range(anneal)]
        held = np.full(len(self._judging), math.inf)
        for at, share in enumerate(shares):
            if at == steps:
                held = self.losses()
            for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
                _write(group, rate * factor * share)
            if not self._update(self._train[at % len(self._train)]):
                return np.full_like(held, math.inf), np.full_like(held, math.inf)
        return held, self.losses()

    def losses(self) -> np.ndarray:
        """Of each judging batch, in the mode the model trains in."""
        self.cost += len(self._judging) / 3
        state = torch.get_rng_state()
        torch.manual_seed(1)
        with torch.no_grad():
            found = [
                float(loss_at("what_if", self._loss_of, self._model, one)) for one in self._judging
            ]
        torch.set_rng_state(state)
        losses: np.ndarray = np.nan_to_num(np.array(found), nan=math.inf)
        return losses

    def _update(self, batch: Any) -> bool:
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


def _factors(given: Sequence[float]) -> tuple[float, ...]:
    found = {float(one) for one in given} | {1.0}
    if len(found) < 2 or not all(0 < one < math.inf for one in found):
        raise ArgumentError(
            f"what_if(factors=...) must be finite, above 0, and not 1 alone; got {list(given)}."
        )
    return tuple(sorted(found))


def _whole(argument: str, value: int, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ArgumentError(
            f"what_if({argument}=...) must be a whole number of at least {least}; got {value!r}."
        )


def _split(batches: list[Any], judge: list[Any] | None) -> tuple[list[Any], list[Any]]:
    if judge is None:
        if len(batches) < 9:
            raise ArgumentError(
                f"what_if(batches=...) must hold at least 9, of which the last third judges; got "
                f"{len(batches)}. Give more, or judge=[...]."
            )
        share = len(batches) // 3
        return batches[:-share], batches[-share:]
    if not batches or len(judge) < 3:
        raise ArgumentError(
            "what_if needs at least one batch to train on and three to judge; got "
            f"{len(batches)} and {len(judge)}."
        )
    return batches, judge


def _read(group: dict[str, Any]) -> float:
    return float(group["lr"])


def _write(group: dict[str, Any], rate: float) -> None:
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
