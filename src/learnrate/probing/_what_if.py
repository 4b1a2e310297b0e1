"""The what-if probe: the live training, tried for a moment at other rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from learnrate._errors import ArgumentError, TaskError
from learnrate.probing._fork import check_model, check_optimizer, forked, loss_at, now
from learnrate.probing._result import Result
from learnrate.watch import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import nn
    from torch.optim import Optimizer

    from learnrate.probing._fork import Loss

__all__ = ["Direction", "Gain", "WhatIf", "what_if"]

_AWAY = 2.0  # times the loss before: the present rate makes it run away


class Direction(StrEnum):
    """Which way the rate should go; the value is the advice."""

    LOWER = "lower the rate"
    RAISE = "raise the rate"
    KEEP = "keep the rate"
    UNCLEAR = "not to be told from so short a trial"


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What another factor gave, against the factor of 1, on the same batches.

    Attributes:
        factor: of the present rate.
        mean: loss at this factor less the loss at 1: below 0 is better.
        error: standard error of the mean over judging batches.
        p: chance of a difference of this size, either way, if there were none, by the paired t
            test, times the number of factors tried (Bonferroni).
    """

    factor: float
    mean: float
    error: float
    p: float


@dataclass(frozen=True, kw_only=True)
class WhatIf(Result):
    """What became of the loss at other rates, and which way the rate should go.

    Attributes:
        lr: the present rate, the highest of the groups.
        factors: of it that were tried.
        steps: updates at the tried rate.
        anneal: further updates on the way from it to 0.
        judged: batches that losses are averages over.
        before: the loss before.
        held: the loss of each factor after its updates at the tried rate.
        annealed: the loss of each factor after its anneal; both infinite where it diverged.
        held_gains: of each factor other than 1.
        annealed_gains: of each factor other than 1, after the anneal.
        level: of p at which a difference counts.
        verdict: which way the rate should go.
    """

    kind: ClassVar[str] = "what_if"

    lr: float
    factors: tuple[float, ...]
    steps: int
    anneal: int
    judged: int
    before: float
    held: tuple[float, ...]
    annealed: tuple[float, ...]
    held_gains: tuple[Gain, ...]
    annealed_gains: tuple[Gain, ...]
    level: float
    verdict: Direction

    @property
    def words(self) -> str:
        """The verdict and what it rests on."""
        tried = ", ".join(
            f"{factor:g}x: {held:.4g}, annealed {annealed:.4g}"
            for factor, held, annealed in zip(self.factors, self.held, self.annealed, strict=True)
        )
        return (
            f"{_capital(self.verdict.value)} ({self.lr:.3g}). {self._reason()} "
            f"Loss from {self.before:.4g} after {self.steps} updates, and {self.anneal} more down "
            f"to a rate of 0: {tried}. Only so short a future was tried: the rest of the run, not "
            "this, says when to decay."
        )

    def _reason(self) -> str:
        if self.verdict is Direction.LOWER:
            if not self._ahead(self.annealed_gains, lower=True):
                return "At the present rate the loss runs away, and at a lower one it does not."
            return (
                "A lower rate is ahead even once all are annealed to 0, which takes away what a "
                "lower rate gains by less noise alone."
            )
        if self.verdict is Direction.RAISE:
            return (
                "A higher rate is ahead already before any anneal, although at once a higher rate "
                "shows more noise."
            )
        if self.verdict is Direction.KEEP:
            return (
                "A lower rate falls at once, as it always does by its lower noise, and after the "
                "anneal it is not ahead: no reason to cut now."
            )
        return "No difference that bias or chance does not explain."

    def _ahead(self, gains: tuple[Gain, ...], *, lower: bool) -> bool:
        return _wins(gains, self.level, lower=lower)

    def finding(self, step: int) -> Finding | None:
        """The verdict as a finding, where the rate should change: LR106 or LR203.

        Args:
            step: the update that was about to happen.
        """
        if self.verdict not in {Direction.LOWER, Direction.RAISE}:
            return None
        lower = self.verdict is Direction.LOWER
        after = lower and self._ahead(self.annealed_gains, lower=True)
        best = _best(self.annealed_gains if after else self.held_gains, lower=lower)
        return Finding(
            code="LR106" if lower else "LR203",
            severity=Severity.WARNING if lower else Severity.ADVICE,
            step=step,
            message=(
                f"Tried from here, {best.factor:g} times the rate is ahead by {-best.mean:.2g} in "
                f"loss (p = {best.p:.1g}), {'even after an anneal' if after else 'before any anneal'}."
            ),
            evidence=self.to_dict(),
            remedy=(
                f"{_capital(self.verdict.value)}, to about {best.factor * self.lr:.2g}"
                + (
                    "."
                    if lower
                    else ", unless the run is in its warm-up or its decay; early in a run a short "
                    "trial flatters high rates."
                )
            ),
        )


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
    now_gains, then_gains = _gains(tried, held), _gains(tried, annealed)
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
        verdict=_verdict(now_gains, then_gains, level, runs_away=runs_away),
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


def _gains(factors: tuple[float, ...], losses: list[np.ndarray]) -> tuple[Gain, ...]:
    base = losses[factors.index(1.0)]
    others = [
        (factor, found) for factor, found in zip(factors, losses, strict=True) if factor != 1
    ]
    return tuple(_gain(factor, found, base, len(others)) for factor, found in others)


def _gain(factor: float, found: np.ndarray, base: np.ndarray, count: int) -> Gain:
    lost, base_lost = not np.isfinite(found).all(), not np.isfinite(base).all()
    if lost or base_lost:
        if lost and base_lost:
            return Gain(factor=factor, mean=0.0, error=math.inf, p=1.0)
        return Gain(factor=factor, mean=math.inf if lost else -math.inf, error=0.0, p=0.0)
    change = found - base
    mean = float(change.mean())
    error = float(change.std(ddof=1)) / math.sqrt(change.size)
    return Gain(
        factor=factor, mean=mean, error=error, p=min(1.0, count * _p(mean, error, change.size))
    )


def _p(mean: float, error: float, size: int) -> float:
    from scipy.special import stdtr  # noqa: PLC0415 - slow to load

    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(2.0 * stdtr(size - 1, -abs(mean) / error))


def _verdict(
    held: tuple[Gain, ...], annealed: tuple[Gain, ...], level: float, *, runs_away: bool
) -> Direction:
    now = _wins(held, level, lower=True)
    lower = _wins(annealed, level, lower=True) or (now and runs_away)
    higher = _wins(held, level, lower=False)
    if lower != higher:
        return Direction.LOWER if lower else Direction.RAISE
    if not lower and now:
        return Direction.KEEP
    return Direction.UNCLEAR


def _wins(gains: tuple[Gain, ...], level: float, *, lower: bool) -> bool:
    return any(one.mean < 0 and one.p < level for one in gains if (one.factor < 1) is lower)


def _best(gains: tuple[Gain, ...], *, lower: bool) -> Gain:
    return min((one for one in gains if (one.factor < 1) is lower), key=lambda one: one.mean)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
