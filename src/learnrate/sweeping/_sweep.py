"""The sweep: trials at every rate with every seed, on the fastest engine, resumed if interrupted."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from learnrate._checks import check_seed, check_whole
from learnrate._errors import ArgumentError
from learnrate._files import folder_for
from learnrate._progress import ProgressBar
from learnrate.schedules import Schedule
from learnrate.schedules import shape as read_shape
from learnrate.sweeping._halving import missing_neighbour, remaining_rates, rungs
from learnrate.sweeping._rates_sweep import sweep_rates
from learnrate.sweeping._result import Sweep, SweptTrial, final_losses
from learnrate.task import check_is_task
from learnrate.trials import (
    ENGINES,
    Choice,
    Curve,
    Journal,
    RayEngine,
    Trial,
    choose_engine,
    derived_seed,
    fingerprint,
    preserved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from learnrate.sweeping._rates_result import RatesSweep
    from learnrate.task import RatesArgument, Task

__all__ = ["JOURNAL_NAME", "rates_in", "sweep"]

JOURNAL_NAME = "sweep.trials.jsonl"
_MAX_RATES = _MAX_SEEDS = 10_000


@overload
def sweep(
    task: Task,
    lr: Sequence[float],
    *,
    seeds: int = 3,
    total_steps: int | None = None,
    shape: str | Schedule = "warmup(5%) >> linear()",
    engine: str | RayEngine = "auto",
    halving: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
    second_lr: None = None,
    rates: None = None,
) -> Sweep: ...
@overload
def sweep(
    task: Task,
    lr: Sequence[float],
    *,
    seeds: int = 3,
    total_steps: int | None = None,
    shape: str | Schedule = "warmup(5%) >> linear()",
    engine: str | RayEngine = "auto",
    halving: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
    second_lr: Sequence[float] | None = None,
    rates: RatesArgument,
) -> RatesSweep: ...
@overload
def sweep(
    task: Task,
    lr: Sequence[float],
    *,
    seeds: int = 3,
    total_steps: int | None = None,
    shape: str | Schedule = "warmup(5%) >> linear()",
    engine: str | RayEngine = "auto",
    halving: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
    second_lr: Sequence[float] | None = None,
    rates: RatesArgument | None,
) -> Sweep | RatesSweep: ...
def sweep(
    task: Task,
    lr: Sequence[float],
    *,
    seeds: int = 3,
    total_steps: int | None = None,
    shape: str | Schedule = "warmup(5%) >> linear()",
    engine: str | RayEngine = "auto",
    halving: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
    second_lr: Sequence[float] | None = None,
    rates: RatesArgument | None = None,
) -> Sweep | RatesSweep:
    """Train at every rate with every seed, and estimate the best rate.

    Nothing of yours is changed, even if the sweep fails or is interrupted. A trial that diverges
    is stopped. A trial in which your code raises is reported as failed; the others continue.

    Args:
        task: what to train.
        lr: the peak rates, increasing, above 0.
        seeds: how many trainings at each rate; the same seeds at every rate.
        total_steps: updates of each trial; by default the task's number.
        shape: the shape of the schedule, with peak 1; a trial's schedule is its rate times this.
        engine: `"sequential"`, `"vectorised"` or `"ray"`. `"auto"` times the first two in one
            process and in several, and takes the fastest. A `RayEngine` has Ray's options.
        halving: N for successive halving, at least 2: all rates are tried in short trials first;
            each round keeps one trial in N, at N times the length, up to `total_steps`. Each
            trial has the whole schedule over its own length. None tries all at full length.
        seed: the same seed gives the same sweep.
        out: a folder for the trials that have ended. Run again with the same folder, the sweep
            does not repeat them. Several sweeps may share it.
        progress: show a bar with the remaining time on standard error.
        second_lr: with `rates`, the peak rates of the second rate, increasing; `lr` by default.
        rates: sweeps two rates, every pair of them, and returns a `RatesSweep` with a map; what each
            rate is for, as for `plan`.

    Raises:
        ArgumentError: an argument is outside its rule.
        TaskError: the task cannot be trained at all.
        KeyboardInterrupt: on Ctrl-C; the trials that have ended are in `out`.

    Examples:
        >>> from learnrate.testing import quadratic_task
        >>> result = sweep(quadratic_task(total_steps=50), [0.001, 0.01, 0.1], seeds=2)
        >>> len(result.trials), result.best > 0.01
        (6, True)
    """
    check_is_task("sweep", task)
    check_seed("sweep", seed)
    checked_rates = _checked_rates(lr)
    count, shaped = _checked_seeds(seeds), read_shape(shape)
    total_steps = task.run_length(total_steps)
    trial_seeds = [seed, *(derived_seed(seed, 30, index) for index in range(1, count))]
    factor = 1 if halving is None else _checked_factor(halving)
    if not isinstance(engine, RayEngine) and engine not in ENGINES:
        raise ArgumentError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}.")
    path = None if out is None else folder_for(Path(out)) / JOURNAL_NAME
    identity = fingerprint(task)
    if rates is not None:
        if halving is not None:
            raise ArgumentError(
                "halving works for a sweep of one rate, and rates=... sweeps two; leave one of them out."
            )
        return sweep_rates(
            task,
            rates,
            (checked_rates, checked_rates if second_lr is None else _checked_rates(second_lr)),
            seeds=trial_seeds,
            shape=shaped.over(total_steps),
            engine=engine,
            path=path,
            identity=identity,
            progress=progress,
        )
    if second_lr is not None:
        raise ArgumentError(
            "second_lr needs rates=..., which says what each rate is for; got second_lr alone."
        )
    journal = Journal(path, identity)
    runner = _SweepRunner(task, trial_seeds, shaped, journal, engine, progress=progress)
    lengths = [total_steps] if halving is None else rungs(total_steps, len(checked_rates), factor)
    trials = _run_rungs(runner.run, checked_rates, lengths, factor)
    return Sweep(
        trials=tuple(trials),
        choice=runner.choice,
        resumed=runner.resumed,
        total_steps=total_steps,
        task=task.name,
        notes=tuple(dict.fromkeys(runner.notes)),
    )


def _run_rungs(
    run: Callable[[list[float], int], list[SweptTrial]],
    rates: list[float],
    lengths: list[int],
    factor: int,
) -> list[SweptTrial]:
    """Run the grid at each length in turn, with the remaining rates; returns every trial."""
    shorter: list[SweptTrial] = []
    remaining = list(range(len(rates)))
    last = run(rates, lengths[0])
    for length in lengths[1:]:
        remaining = [remaining[place] for place in remaining_rates(final_losses(last), factor)]
        shorter += last
        last = run([rates[index] for index in remaining], length)
    while (index := missing_neighbour(remaining, final_losses(last), len(rates))) is not None:
        remaining = sorted([*remaining, index])
        last = sorted([*last, *run([rates[index]], lengths[-1])], key=lambda trial: trial.lr)
    return shorter + last


class _SweepRunner:
    """Runs the trials that the journal does not have, and adds each curve to it immediately."""

    def __init__(
        self,
        task: Task,
        seeds: list[int],
        shape: Schedule,
        journal: Journal,
        engine: str | RayEngine,
        *,
        progress: bool,
    ) -> None:
        self.resumed = 0
        self.choice = Choice("sequential", "nothing to run.")
        self.notes: list[str] = []
        self._task = task
        self._seeds = seeds
        self._shape = shape
        self._journal = journal
        self._engine = engine
        self._progress = progress

    def run(self, rates: list[float], length: int) -> list[SweptTrial]:
        """Every rate with every seed, sorted by rate and seed."""
        trials = [
            (rate, Trial((rate * self._shape).over(length), seed))
            for rate in rates
            for seed in self._seeds
        ]
        curves = self._curves([trial for _, trial in trials])
        return [SweptTrial(rate, trial.seed, curves[trial], length) for rate, trial in trials]

    def _curves(self, trials: list[Trial]) -> dict[Trial, Curve]:
        curves = {trial: curve for trial in trials if (curve := self._journal.curve(trial))}
        missing = [trial for trial in trials if trial not in curves]
        self.resumed += len(curves)
        ended = 0
        bar = ProgressBar(sum(trial.total_steps for trial in missing), shown=self._progress)
        with bar, preserved(self._task):
            choice, engine = choose_engine(self._task, missing, self._engine)

            def show(updates: int, stage: str, /) -> None:
                count = (
                    f"{len(curves)} of {len(trials)} trials of {trials[0].total_steps:,} updates"
                )
                bar.show(ended + updates, f"{count}; {stage}")

            for trial, curve in engine.run(self._task, missing, show):
                self._journal.add_curve(trial, curve)
                curves[trial] = curve
                ended += trial.total_steps
                show(0, f"the last one {curve.status}")
        if missing:
            self.choice = choice
            self.notes.extend(engine.notes)
        return curves


def _checked_rates(lr: Sequence[float]) -> list[float]:
    rule = "lr must be one or more increasing finite rates above 0"
    try:
        rates = [float(rate) for rate in lr]
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{rule}; got {lr!r}. Example: lr=[1e-4, 1e-3, 1e-2]") from error
    if not rates:
        raise ArgumentError(f"{rule}; got none.")
    for rate in rates:
        if not 0 < rate < math.inf:
            raise ArgumentError(f"{rule}; got {rate!r}.")
    for before, after in itertools.pairwise(rates):
        if not before < after:
            raise ArgumentError(f"{rule}; got {after:g} after {before:g}.")
    return rates


def _checked_seeds(seeds: int) -> int:
    check_whole(
        "sweep", "seeds", seeds, 1, "It is the number of trainings at each rate.", high=_MAX_SEEDS
    )
    return seeds


def _checked_factor(halving: int) -> int:
    if not isinstance(halving, int) or isinstance(halving, bool) or halving < 2:
        raise ArgumentError(
            "halving must be a whole number N of at least 2, to keep one trial in N; "
            f"got {halving!r}. Example: halving=3"
        )
    return halving


def rates_in(text: str) -> list[float]:
    """Read the rates of `--lr`: `low:high:count`, spaced by equal factors, or `a,b,c`.

    Raises:
        ArgumentError: the text is neither, or the range is empty or reversed.

    Examples:
        >>> rates_in("1e-3:1e-1:5")
        [0.001, 0.003162, 0.01, 0.03162, 0.1]
        >>> rates_in("0.01,0.1")
        [0.01, 0.1]
    """
    way_out = "Examples: --lr 1e-5:1:13 or --lr 1e-4,1e-3,1e-2"
    parts = text.split(":")
    try:
        if len(parts) == 1:
            return _checked_rates([float(part) for part in text.split(",")])
        first, last, number = parts
        low, high, count = float(first), float(last), int(number)
    except ValueError as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(
            f"lr must be low:high:count or rates separated by commas; got {text!r}. {way_out}"
        ) from error
    if not (0 < low < high < math.inf and 2 <= count <= _MAX_RATES):
        raise ArgumentError(
            f"lr must be low:high:count with 0 < low < high and 2 to {_MAX_RATES:,} rates; "
            f"got {text!r}. {way_out}"
        )
    return [float(f"{rate:.4g}") for rate in np.geomspace(low, high, count)]
