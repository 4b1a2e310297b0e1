"""The loss over both rates: meta-training at each inner rate, testing at each adaptation rate."""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._axes import draw_panel
from learnrate._checks import check_seed
from learnrate._errors import ArgumentError
from learnrate._files import folder_for, number_or_none
from learnrate._progress import ProgressBar
from learnrate.meta._optimum import best_point
from learnrate.meta._picture import loss_map
from learnrate.meta._population import Population
from learnrate.meta._rates import Learned
from learnrate.meta._task import check_meta_task
from learnrate.meta._train import checked_count
from learnrate.trials import Journal, derived_seed, kept_random_state, seed_everything

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from learnrate.meta._optimum import BestPoint
    from learnrate.meta._task import MetaTask

__all__ = ["JOURNAL_NAME", "MetaSweep", "read_grid", "sweep"]

JOURNAL_NAME = "meta.jsonl"
_MAX_RATES = 10_000
_STACK_SIZE = 64  # trials that train at once


@dataclass(frozen=True)
class MetaSweep:
    """The test loss over the rate of meta-training and the rate of adaptation.

    Attributes:
        inner_lrs: the rates of meta-training, increasing, shape (inner,).
        adapt_lrs: the rates of adaptation, increasing, shape (adapt,).
        losses: the test losses, shape (inner, adapt, seeds); infinite if the trial diverged.
        failures: which trials diverged, and where.
        steps: meta-updates of each trial.
        resumed: how many trials were finished in an earlier sweep.
        task: the task's name.
    """

    inner_lrs: np.ndarray
    adapt_lrs: np.ndarray
    losses: np.ndarray
    failures: tuple[str, ...]
    steps: int
    resumed: int
    task: str

    @cached_property
    def best(self) -> BestPoint | None:
        """The pair of rates with the lowest mean loss; None if no trial finished."""
        return best_point(self.inner_lrs, self.adapt_lrs, self.losses)

    @property
    def mean(self) -> np.ndarray:
        """The mean over seeds, shape (inner, adapt)."""
        return np.asarray(self.losses.mean(axis=2))

    @property
    def advice(self) -> str:
        """Advice if the optimum is at the edge of the grid; empty if it is inside."""
        if self.best is None:
            return "no trial finished: use inner rates closer to 0."
        advice = []
        for name, best_rate, rates in (
            ("inner_lr", self.best.inner_lr, self.inner_lrs),
            ("adapt_lr", self.best.adapt_lr, self.adapt_lrs),
        ):
            if len(rates) > 1 and best_rate.best in {rates[0], rates[-1]}:
                side = "lower" if best_rate.best == rates[0] else "higher"
                advice.append(
                    f"the best {name}, {best_rate.best:g}, is at the edge of the grid: try {side} rates."
                )
        return " ".join(advice)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the map of the loss over both rates; needs the extra `plot`."""
        return draw_panel(loss_map(self.inner_lrs, self.adapt_lrs, self.mean, self.best), axes)

    def to_dict(self) -> dict[str, Any]:
        """The output of `learnrate meta sweep --json`; None for a loss that is not finite."""
        rows = [
            {
                "inner_lr": float(inner),
                "adapt_lr": float(adapt),
                "loss": number_or_none(float(self.mean[i, a])),
                "losses": [number_or_none(float(loss)) for loss in self.losses[i, a]],
            }
            for i, inner in enumerate(self.inner_lrs)
            for a, adapt in enumerate(self.adapt_lrs)
        ]
        return {
            "best": None if self.best is None else self.best.to_dict(),
            "rows": rows,
            "steps": self.steps,
            "seeds": self.losses.shape[2],
            "resumed": self.resumed,
            "failures": list(self.failures),
            "task": self.task,
        }


def sweep(
    task: MetaTask,
    inner_lr: Sequence[float],
    adapt_lr: Sequence[float],
    *,
    seeds: int = 3,
    total_steps: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
) -> MetaSweep:
    """Meta-train at each inner rate with each seed, and test each at every adaptation rate.

    With an elementwise optimizer (SGD, Adam and similar), rates and seeds train at once, in stacks
    of 64; otherwise one after another. All inner rates have the same initial weights and the same
    episodes, so that differences between rates are paired.

    Args:
        task: what is meta-trained; its own rates are not used.
        inner_lr: the rates of meta-training, increasing, of any sign.
        adapt_lr: the rates of adaptation at test time, increasing, of any sign.
        seeds: how often to train at each inner rate, at least 1.
        total_steps: meta-updates of each training; the task's by default.
        seed: the first seed.
        out: a folder in which finished stacks are kept; a killed sweep resumes from it.
        progress: whether to show a progress bar.

    Raises:
        ArgumentError: a value is outside its rule.

    Examples:
        >>> import torch
        >>> from learnrate.meta import MetaTask, MixedRegression, sweep
        >>> task = MetaTask(
        ...     model=lambda: torch.nn.Linear(4, 1, bias=False),
        ...     loss=torch.nn.MSELoss(),
        ...     episodes=MixedRegression(dim=4, shots=5, queries=5),
        ... )
        >>> sweep(task, [-0.1, 0.0, 0.1], [0.0, 0.1], seeds=2, total_steps=5).losses.shape
        (3, 2, 2)
    """
    check_meta_task("sweep", task)
    check_seed("sweep", seed)
    inner, adapt = _checked("inner_lr", inner_lr), _checked("adapt_lr", adapt_lr)
    total_steps = checked_count(
        "total_steps", task.total_steps if total_steps is None else total_steps
    )
    count = checked_count("seeds", seeds)
    if isinstance(task.inner_lr, Learned):
        raise ArgumentError(
            "a sweep sets the inner rate, and this task learns it. Give MetaTask(inner_lr=...) a fixed "
            "rate."
        )
    seed_list = [seed, *(derived_seed(seed, 42, index) for index in range(1, count))]
    path = None if out is None else folder_for(Path(out)) / JOURNAL_NAME
    with kept_random_state():
        seed_everything(seed)
        runner = _MetaSweepRunner(task, adapt, total_steps, path, progress=progress)
        runner.run([(rate, trial_seed) for trial_seed in seed_list for rate in inner])
    losses = [[runner.losses(rate, trial_seed) for trial_seed in seed_list] for rate in inner]
    return MetaSweep(
        np.array(inner),
        np.array(adapt),
        np.array(losses).transpose(0, 2, 1),
        tuple(runner.failures),
        total_steps,
        runner.resumed,
        task.name,
    )


class _MetaSweepRunner:
    """Trains the trials that are not in the journal, a stack at a time."""

    def __init__(
        self,
        task: MetaTask,
        adapt: list[float],
        total_steps: int,
        path: Path | None,
        *,
        progress: bool,
    ) -> None:
        self.resumed = 0
        self.failures: list[str] = []
        self._task = task
        self._adapt = adapt
        self._total_steps = total_steps
        self._progress = progress
        self._journal = Journal(path, _identity(task))

    def losses(self, rate: float, seed: int) -> list[float]:
        """A trial's mean test loss at every adaptation rate."""
        record = self._journal.get(self._key(rate), self._total_steps, seed)
        assert record is not None  # noqa: S101 - every trial was run
        return [math.inf if loss is None else float(loss) for loss in record["losses"]]

    def run(self, trials: list[tuple[float, int]]) -> None:
        """Train those that are not in the journal."""
        missing = [trial for trial in trials if self._stored_trial(*trial) is None]
        self.resumed = len(trials) - len(missing)
        width = _STACK_SIZE if missing and Population(self._task, missing[:1]).stackable else 1
        with ProgressBar(len(missing) * self._total_steps, shown=self._progress) as bar:
            for start in range(0, len(missing), width):
                stack = missing[start : start + width]
                self._train(stack, bar, start * self._total_steps)
        for trial in trials:
            failure = (self._stored_trial(*trial) or {}).get("failure")
            if failure:
                self.failures.append(f"inner_lr {trial[0]:g}, seed {trial[1]}: {failure}")

    def _train(self, stack: list[tuple[float, int]], bar: ProgressBar, before: int) -> None:
        population = Population(self._task, stack)
        for step in range(self._total_steps):
            loss = population.update(step)
            if all(population.failed):
                break
            lowest = float(loss[torch.isfinite(loss)].min())
            done = before + (step + 1) * len(stack)
            bar.show(done, f"{len(stack)} at once, lowest outer loss {lowest:.4g}")
        tested = [
            population.test(
                population.learner.rates(rate, self._task.test_steps, "adapt_lr"),
                self._task.test_steps,
            )[0].mean(dim=1)
            for rate in self._adapt
        ]
        means = torch.stack(tested, dim=1)
        for trial, (rate, seed) in enumerate(stack):
            failure = population.failed[trial]
            figures = [None if failure else number_or_none(float(mean)) for mean in means[trial]]
            record = {"losses": figures, "failure": failure}
            self._journal.add(self._key(rate), self._total_steps, seed, record)

    def _stored_trial(self, rate: float, seed: int) -> dict[str, Any] | None:
        return self._journal.get(self._key(rate), self._total_steps, seed)

    def _key(self, rate: float) -> str:
        return f"inner {rate!r} adapt {self._adapt!r}"


def _identity(task: MetaTask) -> str:
    """A hash of the task's parts and of its first losses."""
    plain = replace(task, inner_lr=0.01, adapt_lr=None)
    population = Population(plain, [(0.0, 0)])
    loss = population.update(0)
    tested, _ = population.test(None, 1)
    parts = [
        repr(population.learner.model),
        repr(population.optimizer),
        f"{float(loss):.5g} {float(tested.mean()):.5g}",
        f"{task.algorithm} {task.head} {task.inner_steps} {task.test_steps}",
        f"{task.batch} {task.test_count}",
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _checked(name: str, rates: Sequence[float]) -> list[float]:
    try:
        checked = [float(rate) for rate in rates]
    except (TypeError, ValueError):
        checked = []
    increasing = all(a < b for a, b in itertools.pairwise(checked))
    if not checked or not increasing or not all(map(math.isfinite, checked)):
        raise ArgumentError(
            f"{name} must be one or more increasing finite rates, of any sign; got {rates!r}. "
            f"Example: {name}=[-0.1, 0.0, 0.1]"
        )
    return checked


def read_grid(text: str, option: str) -> list[float]:
    """The rates in the text of an option: `low:high:count`, evenly spaced, or a list with commas.

    Raises:
        ArgumentError: it is neither, or not increasing.

    Examples:
        >>> read_grid("-0.1:0.5:4", "--inner-lr")
        [-0.1, 0.1, 0.3, 0.5]
        >>> read_grid("-0.1,0,0.1", "--inner-lr")
        [-0.1, 0.0, 0.1]
    """
    way_out = f"Examples: {option} -0.1:0.5:13 or {option} -0.1,0,0.1"
    parts = text.split(":")
    try:
        if len(parts) == 1:
            rates = [float(part) for part in text.split(",")]
        else:
            first, last, number = parts
            low, high, count = float(first), float(last), int(number)
    except ValueError as error:
        raise ArgumentError(
            f"{option} must be low:high:count or rates with commas; got {text!r}. {way_out}"
        ) from error
    if len(parts) > 1:
        if not 1 <= count <= _MAX_RATES:
            raise ArgumentError(
                f"{option} must have 1 to {_MAX_RATES:,} rates; got {text!r}. {way_out}"
            )
        rounding = 1e-9 * max(abs(low), abs(high))  # a zero in the middle of a grid
        rates = [
            0.0 if abs(rate) < rounding else float(f"{rate:.6g}")
            for rate in np.linspace(low, high, count)
        ]
    try:
        return _checked(option, rates)
    except ArgumentError as error:
        raise ArgumentError(
            f"{option} must be increasing finite rates; got {text!r}. {way_out}"
        ) from error
