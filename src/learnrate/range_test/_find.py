"""The range test: one short training per repeat, under a rate that rises to where it breaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from learnrate._errors import ArgumentError
from learnrate._progress import ProgressBar
from learnrate.range_test._result import RangeTest
from learnrate.trials import (
    Training,
    check_task,
    derived_seed,
    kept_random_state,
    kept_state,
    preserved,
    ranks,
    seed_everything,
)

if TYPE_CHECKING:
    from learnrate.task import Task

__all__ = ["find", "measure_repeat", "rates_between"]

MODES = ("exponential", "linear")
MEMORY = 0.8
_DIVERGED = 4.0

Step = Callable[[float], float]


class Observe(Protocol):
    """Told after each rate."""

    def __call__(self, lr: float, loss: float, /) -> None: ...


def find(
    task: Task | None = None,
    *,
    step: Callable[[float], Any] | None = None,
    state: Iterable[Any] = (),
    low: float = 1e-10,
    high: float = 10.0,
    iters: int = 200,
    mode: str = "exponential",
    repeats: int = 3,
    seed: int = 0,
    progress: bool = True,
) -> RangeTest:
    """Run a learning-rate range test (Smith 2017, arXiv:1506.01186).

    Each repeat starts from the same place with its own seed and makes up to `iters` updates under
    a rate that rises from `low` to `high`; it ends early where the loss is not finite, or its
    smooth value is above its start and above four times its lowest. Everything of yours is put
    back as it was: weights, buffers, optimizer, generators, the loader's position.

    Args:
        task: what to train.
        step: instead of a task, any loop at all: a function that makes one update at the rate it
            is given and returns the loss before that update.
        state: with `step`, what to put back after each repeat: modules, optimizers, and anything
            else with `state_dict` and `load_state_dict`.
        low: the first rate, above 0.
        high: the last rate, above `low`.
        iters: how many rates, at least 10.
        mode: `"exponential"` (equal factors) or `"linear"` (equal differences).
        repeats: how many runs, at least 1. Three show how far one alone could mislead.
        seed: of the first repeat; the same seed gives the same result.
        progress: show a bar on standard error.

    Raises:
        ArgumentError: an argument is outside its rule, or both or neither of `task` and `step`
            are given.
        TaskError: the task cannot be trained at all.

    Examples:
        >>> weight = 1.0
        >>> def step(lr):
        ...     global weight
        ...     loss = weight**2
        ...     weight -= lr * 2 * weight
        ...     return loss
        >>> find(step=step, low=1e-4, high=0.4, repeats=1).suggestion < 0.4
        True
    """
    lrs = rates_between(low, high, iters, mode)
    if not (isinstance(repeats, int) and repeats >= 1):
        raise ArgumentError(f"repeats must be a whole number, at least 1; got {repeats!r}.")
    if (task is None) == (step is None):
        raise ArgumentError("find takes a task or step=..., one of the two.")
    seeds = [seed, *(derived_seed(seed, 10, i) for i in range(1, repeats))]
    with ProgressBar(iters * repeats, shown=progress) as bar:
        if task is not None:
            losses = _of_task(task, lrs, seeds, bar)
        else:
            assert step is not None  # noqa: S101 - one of the two is given
            losses = _of_loop(step, state, lrs, seeds, bar)
    return RangeTest(lr=lrs, loss=losses, mode=mode, seed=seed, memory=MEMORY)


def rates_between(low: float, high: float, iters: int, mode: str) -> np.ndarray:
    """`iters` rates from `low` to `high`, both included.

    Raises:
        ArgumentError: the range is empty, reversed or not positive, or an argument is unknown.
    """
    if not (0 < low < math.inf):
        raise ArgumentError(f"low must be a finite rate above 0; got {low!r}.")
    if not (0 < high < math.inf):
        raise ArgumentError(f"high must be a finite rate above 0; got {high!r}.")
    if not low < high:
        raise ArgumentError(f"low must be below high; got low={low!r}, high={high!r}.")
    if not (isinstance(iters, int) and iters >= 10):
        raise ArgumentError(f"iters must be a whole number, at least 10; got {iters!r}.")
    if mode not in MODES:
        raise ArgumentError(f"mode must be 'exponential' or 'linear'; got {mode!r}.")
    return (
        np.geomspace(low, high, iters) if mode == "exponential" else np.linspace(low, high, iters)
    )


def _of_task(task: Task, lrs: np.ndarray, seeds: list[int], bar: ProgressBar) -> np.ndarray:
    check_task(task)
    with preserved(task):
        return np.stack(
            [
                measure_repeat(Training(task, seed).update, lrs, _shown(bar, i, len(lrs)))
                for i, seed in enumerate(seeds)
            ]
        )


def _of_loop(
    step: Callable[[float], Any],
    state: Iterable[Any],
    lrs: np.ndarray,
    seeds: list[int],
    bar: ProgressBar,
) -> np.ndarray:
    losses = []
    with kept_random_state(), kept_state(state) as restore:
        for i, seed in enumerate(seeds):
            seed_everything(seed)
            losses.append(measure_repeat(_as_number(step), lrs, _shown(bar, i, len(lrs))))
            restore()
    return np.stack(losses)


def measure_repeat(step: Step, lrs: np.ndarray, observe: Observe) -> np.ndarray:
    """The loss at each rate, NaN from where the run diverged, shape of `lrs`."""
    losses = np.full(len(lrs), np.nan)
    weighted_sum = weight = 0.0
    start = lowest = math.inf
    for i, lr in enumerate(lrs.tolist()):
        loss = step(lr)
        observe(lr, loss)
        if not math.isfinite(loss):
            break
        losses[i] = loss
        weighted_sum, weight = MEMORY * weighted_sum + loss, MEMORY * weight + 1
        smooth = weighted_sum / weight
        start = smooth if i == 0 else start
        lowest = min(lowest, smooth)
        if smooth > max(start, lowest + (_DIVERGED - 1) * abs(lowest)):
            break
    return losses


def _shown(bar: ProgressBar, repeat: int, iters: int) -> Observe:
    done = repeat * iters

    def observe(lr: float, loss: float, /) -> None:
        nonlocal done
        done += 1
        bar.show(done, f"range test {repeat + 1}: rate {lr:.1e}, loss {loss:.4g}")

    return observe


def _as_number(step: Callable[[float], Any]) -> Step:
    def measured(lr: float) -> float:
        loss = step(lr)
        try:
            number = float(loss.item() if isinstance(loss, torch.Tensor) else loss)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ArgumentError(
                f"step(lr) must return the loss as a number; got {loss!r}."
            ) from error
        return ranks().mean(number)

    return measured
