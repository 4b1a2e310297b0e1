"""The range test: a short training per repeat, at a rate that rises until the loss diverges."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from learnrate._checks import check_seed, check_whole, refuse
from learnrate._errors import ArgumentError
from learnrate._progress import ProgressBar
from learnrate._usual_rate import UsualRate, known_usual_rate
from learnrate.range_test._result import RangeTest
from learnrate.range_test._rules import RULES, Rule
from learnrate.task import check_is_task
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
_MIN_RATES, _MAX_RATES, _MAX_REPEATS = 10, 1_000_000, 1_000
_DIVERGENCE_FACTOR = 4.0  # ratio of the smooth loss to its lowest value
_CLEAR_ERRORS = 6.0  # standard errors: in tests of fewer than 240 rates, a single loss moves the smooth loss less
_LOSSES_IN_A_ROW = 3
_FIRST_LOSSES = 10  # losses before records count: among fewer, three in a row are likely
_SMOOTH_SHARE = math.sqrt((1 - MEMORY) / (1 + MEMORY))  # share of the noise that smoothing leaves

_NOT_RESTORED = (
    "find(step=...) without state=[...] restores nothing: each repeat begins where the previous "
    "one ended, and keeps its changes. Give the model and the optimizer: "
    "find(step=..., state=[model, optimizer])."
)

Step = Callable[[float], float]


class RateCallback(Protocol):
    """Called with each rate and its loss."""

    def __call__(self, lr: float, loss: float, /) -> None: ...


def find(
    task: Task | None = None,
    *,
    step: Callable[[float], Any] | None = None,
    state: Iterable[Any] | None = (),
    low: float = 1e-10,
    high: float = 10.0,
    iters: int = 200,
    mode: str = "exponential",
    repeats: int = 3,
    rule: str | Rule | None = None,
    validate: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> RangeTest:
    """Run a learning-rate range test (Smith 2017, arXiv:1506.01186).

    Each repeat has its own seed and makes up to `iters` updates at a rate that rises from `low` to
    `high`. It ends early when the loss is not finite, or when the smooth loss exceeds both its
    first value and four times its lowest value. Everything of yours is restored: weights, buffers,
    optimizer, generators, the loader's position.

    Args:
        task: what to train.
        step: any training loop, instead of a task: a function of a rate that makes one update at
            that rate and returns the loss before the update.
        state: with `step`, the objects to restore after each repeat: modules, optimizers, and
            others with `state_dict` and `load_state_dict`. Without any, `find` warns that it
            restores nothing; None if `step` changes nothing that is to be restored.
        low: the first rate, above 0.
        high: the last rate, above `low`.
        iters: how many rates, at least 10.
        mode: `"exponential"` (equal factors) or `"linear"` (equal differences).
        repeats: how many runs, at least 1. Three show how much the result varies.
        rule: whose rate is suggested: `"steepest"`, `"valley"`, `"slide"`, `"minimum"`, or a function
            of the rates and the mean smooth losses, both of shape (n,), that returns a rate. By
            default a third of the rate of lowest loss, or its geometric mean with the usual rate; see
            `RangeTest.suggestion`.
        validate: measure the validation loss of the task after each update, instead of the training
            loss before it. Each rate then costs a validation.
        seed: of the first repeat; the same seed gives the same result.
        progress: show a bar on standard error.

    Raises:
        ArgumentError: an argument is outside its rule, both or neither of `task` and `step` are
            given, or `validate` is asked of a task that cannot validate.
        TaskError: the task cannot be trained at all.

    Examples:
        >>> weight = 1.0
        >>> def step(lr):
        ...     global weight
        ...     loss = weight**2
        ...     weight -= lr * 2 * weight
        ...     return loss
        >>> find(step=step, state=None, low=1e-4, high=0.4, repeats=1).suggestion < 0.4
        True
    """
    check_seed("find", seed)
    lrs = rates_between(low, high, iters, mode)
    check_whole("find", "repeats", repeats, 1, high=_MAX_REPEATS)
    if (task is None) == (step is None):
        raise ArgumentError(
            f"find needs either a task or step=...; got {'neither' if task is None else 'both'}."
        )
    if task is not None:
        check_is_task("find", task)
    elif not callable(step):
        refuse(
            "find", "step", "a function of a rate that makes one update and returns its loss", step
        )
    if isinstance(rule, str) and rule not in RULES:
        names = ", ".join(RULES)
        raise ArgumentError(f"rule must be one of {names}, or a function; got {rule!r}.")
    if validate and (task is None or task.validate is None):
        missing = (
            "step=... returns the loss itself" if task is None else "the task has no validate"
        )
        raise ArgumentError(f"validate=True needs a task with validate=...; {missing}.")
    seeds = [seed, *(derived_seed(seed, 10, i) for i in range(1, repeats))]
    with ProgressBar(iters * repeats, shown=progress) as bar:
        if task is not None:
            losses, usual = _task_losses(task, lrs, seeds, bar, validate=validate)
        else:
            assert step is not None  # noqa: S101 - one of the two is given
            objects = [] if state is None else list(state)
            if state is not None and not objects:
                warnings.warn(_NOT_RESTORED, UserWarning, stacklevel=2)
            usual = _usual_rate_of(objects)
            losses = _loop_losses(step, objects, lrs, seeds, bar)
    return RangeTest(
        lr=lrs,
        loss=losses,
        mode=mode,
        seed=seed,
        memory=MEMORY,
        rule=rule,
        is_validation=validate,
        usual=usual,
    )


def rates_between(low: float, high: float, iters: int, mode: str) -> np.ndarray:
    """The rates of a range test, from `low` to `high`, both included.

    Args:
        low: the first rate, above 0.
        high: the last rate, above `low`.
        iters: how many rates, at least 10.
        mode: `"exponential"` or `"linear"`.

    Raises:
        ArgumentError: the range is empty, reversed or not positive, or an argument is unknown.
    """
    if not (0 < low < math.inf):
        raise ArgumentError(f"low must be a finite rate above 0; got {low!r}.")
    if not (0 < high < math.inf):
        raise ArgumentError(f"high must be a finite rate above 0; got {high!r}.")
    if not low < high:
        raise ArgumentError(f"low must be below high; got low={low!r}, high={high!r}.")
    check_whole("find", "iters", iters, _MIN_RATES, high=_MAX_RATES)
    if mode not in MODES:
        raise ArgumentError(f"mode must be 'exponential' or 'linear'; got {mode!r}.")
    if mode == "linear":
        return np.linspace(low, high, iters)
    decades = math.log10(high) - math.log10(low)
    if decades > iters - 1:
        raise ArgumentError(
            f"find must try at least one rate per factor of 10 from low={low!r} to "
            f"high={high!r}, {math.ceil(decades) + 1} rates; got iters={iters!r}. Raise iters or "
            "narrow the range."
        )
    return np.geomspace(low, high, iters)


def _task_losses(
    task: Task, lrs: np.ndarray, seeds: list[int], bar: ProgressBar, *, validate: bool
) -> tuple[np.ndarray, UsualRate | None]:
    """The losses of all repeats, and the usual rate of the initial weights of the first."""
    check_task(task)
    losses, usual = [], None
    with preserved(task):
        for i, seed in enumerate(seeds):
            training = Training(task, seed)
            usual = known_usual_rate(training.optimizers) if i == 0 else usual
            step = _validated(training) if validate else training.update
            losses.append(measure_repeat(step, lrs, _progress_callback(bar, i, len(lrs))))
    return np.stack(losses), usual


def _usual_rate_of(state: list[Any]) -> UsualRate | None:
    """The usual rate of the optimizers among the objects of a loop; None if there is none."""
    optimizers = [part for part in state if isinstance(part, torch.optim.Optimizer)]
    return known_usual_rate(optimizers) if optimizers else None


def _validated(training: Training) -> Step:
    def step(lr: float) -> float:
        training.update(lr)
        loss = training.validate()
        assert loss is not None  # noqa: S101 - find checked that the task validates
        return loss

    return step


def _loop_losses(
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
            losses.append(
                measure_repeat(_with_number_loss(step), lrs, _progress_callback(bar, i, len(lrs)))
            )
            restore()
    return np.stack(losses)


def measure_repeat(step: Step, lrs: np.ndarray, on_rate: RateCallback) -> np.ndarray:
    """Run one repeat of a range test.

    Args:
        step: makes one update at a rate and returns the loss before it.
        lrs: the rates, increasing, shape (iters,).
        on_rate: called after each update.

    Returns:
        The loss at each rate, shape (iters,); NaN after the run diverged.
    """
    losses, divergence = np.full(len(lrs), np.nan), _SmoothDivergence()
    for i, lr in enumerate(lrs.tolist()):
        loss = step(lr)
        on_rate(lr, loss)
        if not math.isfinite(loss):
            break
        losses[i] = loss
        if divergence.diverged(loss):
            losses[i - max(divergence.above, 1) + 2 :] = np.nan
            break
    return losses


@dataclass
class _SmoothDivergence:
    """Detects that a smooth loss has risen above its start, and to four times its lowest value.

    Above this bound, three record losses in a row are a divergence. So are three smooth losses in a row that
    lie six standard errors above it. The errors follow from how far each loss so far lay from the smooth
    loss before it. So single losses far above the others, as at a batch size of 1, are no divergence:
    among losses that only scatter, the n-th is a record with a probability of 1/n.

    Attributes:
        above: how many of the last smooth losses lay six standard errors above the bound, without a break.
    """

    above: int = 0
    _start: float = math.inf
    _lowest: float = math.inf
    _highest: float = -math.inf  # the highest loss so far
    _records: int = 0  # how many of the last losses were records, without a break
    _weighted_sum: float = 0.0
    _weight: float = 0.0
    _squares: float = 0.0  # weighted sum of squared distances
    _losses: int = 0

    def diverged(self, loss: float) -> bool:
        """Take the next finite loss; True once they have diverged."""
        bound, error = self._bound, self._error
        if self._losses:
            self._squares += (loss - self._smooth) ** 2
        self._weighted_sum = MEMORY * self._weighted_sum + loss
        self._weight = MEMORY * self._weight + 1
        self._losses += 1
        if self._losses == 1:
            self._start = self._smooth
        self._lowest = min(self._lowest, self._smooth)
        self._records = self._records + 1 if loss > self._highest else 0
        self._highest = max(self._highest, loss)
        self.above = self.above + 1 if self._smooth > bound + _CLEAR_ERRORS * error else 0
        explodes = self._losses > _FIRST_LOSSES and self._records >= _LOSSES_IN_A_ROW
        return self.above >= _LOSSES_IN_A_ROW or (explodes and self._smooth > bound)

    @property
    def _smooth(self) -> float:
        return self._weighted_sum / self._weight

    @property
    def _bound(self) -> float:
        return max(self._start, self._lowest + (_DIVERGENCE_FACTOR - 1) * abs(self._lowest))

    @property
    def _error(self) -> float:
        """The standard error of the smooth loss; infinite if the losses so far show no noise yet."""
        if self._losses < 2:
            return math.inf
        return math.sqrt(self._squares / (self._losses - 1)) * _SMOOTH_SHARE


def _progress_callback(bar: ProgressBar, repeat: int, iters: int) -> RateCallback:
    done = repeat * iters

    def show(lr: float, loss: float, /) -> None:
        nonlocal done
        done += 1
        bar.show(done, f"range test {repeat + 1}: rate {lr:.1e}, loss {loss:.4g}")

    return show


def _with_number_loss(step: Callable[[float], Any]) -> Step:
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
