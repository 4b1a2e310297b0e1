"""The sweep: every rate with every seed, by whichever engine is fastest, resumed where it was."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import ArgumentError
from learnrate._files import folder_for
from learnrate._progress import ProgressBar
from learnrate.schedules import Schedule
from learnrate.schedules import shape as read_shape
from learnrate.sweeping._halving import added, kept, rungs
from learnrate.sweeping._result import Sweep, SweptTrial, final_losses
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

    from learnrate.task import Task

__all__ = ["JOURNAL_NAME", "rates_in", "sweep"]

JOURNAL_NAME = "sweep.trials.jsonl"


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
) -> Sweep:
    """Train at every rate with every seed, and say which rate ends lowest.

    Nothing of yours is changed, also when the sweep fails or is interrupted. A trial that diverges
    ends at once; one in which your code raises is reported as failed, and the rest goes on.

    Args:
        task: what to train.
        lr: the peak rates, increasing, above 0.
        seeds: how many trainings at each rate; the same seeds at every rate.
        total_steps: updates of each trial; the task's own by default.
        shape: the schedule's shape, with peak 1; each trial's schedule is its rate times this.
        engine: `"sequential"`, `"vectorised"`, `"auto"`, which times both in one process and in
            several and takes the fastest, or `"ray"`; a `RayEngine` says where, with what.
        halving: successive halving: all rates are tried in short trials first, and the best one in
            so many goes on to trials so many times as long, until those of `total_steps` updates. Each
            trial has the whole schedule over its own length. None tries all at full length.
        seed: the same seed gives the same sweep.
        out: a folder in which every trial is kept as soon as it has ended; run again with the same
            folder and none of those is run again. Several sweeps may share it.
        progress: show a bar with the time left on standard error.

    Raises:
        ArgumentError: an argument is outside its rule.
        TaskError: the task cannot be trained at all.
        KeyboardInterrupt: on Ctrl-C; the trials that have ended are kept in `out`.

    Examples:
        >>> from learnrate.testing import quadratic_task
        >>> made = sweep(quadratic_task(total_steps=50), [0.001, 0.01, 0.1], seeds=2)
        >>> len(made.trials), made.best > 0.01
        (6, True)
    """
    rates = _checked_rates(lr)
    count, shaped = _checked_seeds(seeds), read_shape(shape)
    total_steps = task.run_length(total_steps)
    own = [seed, *(derived_seed(seed, 30, index) for index in range(1, count))]
    factor = 1 if halving is None else _checked_factor(halving)
    if not isinstance(engine, RayEngine) and engine not in ENGINES:
        raise ArgumentError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}.")
    identity = fingerprint(task)
    path = None if out is None else folder_for(Path(out)) / JOURNAL_NAME
    journal = Journal(path, identity)
    runner = _Runner(task, own, shaped, journal, engine, progress=progress)
    lengths = [total_steps] if halving is None else rungs(total_steps, len(rates), factor)
    tried = _descend(runner.tried, rates, lengths, factor)
    return Sweep(
        trials=tuple(tried),
        choice=runner.choice,
        resumed=runner.resumed,
        total_steps=total_steps,
        task=task.name,
        notes=tuple(dict.fromkeys(runner.notes)),
    )


def _descend(
    run: Callable[[list[float], int], list[SweptTrial]],
    rates: list[float],
    lengths: list[int],
    factor: int,
) -> list[SweptTrial]:
    """Run the grid at each length in turn, with the rates that are left; every trial made."""
    before: list[SweptTrial] = []
    left = list(range(len(rates)))
    last = run(rates, lengths[0])
    for length in lengths[1:]:
        left = [left[at] for at in kept(final_losses(last), factor)]
        before += last
        last = run([rates[at] for at in left], length)
    while (beside := added(left, final_losses(last), len(rates))) is not None:
        left = sorted([*left, beside])
        last = sorted([*last, *run([rates[beside]], lengths[-1])], key=lambda trial: trial.lr)
    return before + last


class _Runner:
    """Runs trials that the journal does not know, keeping each curve as soon as there is one."""

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

    def tried(self, rates: list[float], length: int) -> list[SweptTrial]:
        """Every rate with every seed, by rate and then by seed."""
        asked = [
            (rate, Trial((rate * self._shape).over(length), seed))
            for rate in rates
            for seed in self._seeds
        ]
        curves = self._curves([trial for _, trial in asked])
        return [SweptTrial(rate, trial.seed, curves[trial], length) for rate, trial in asked]

    def _curves(self, trials: list[Trial]) -> dict[Trial, Curve]:
        known = {trial: found for trial in trials if (found := self._journal.curve(trial))}
        missing = [trial for trial in trials if trial not in known]
        self.resumed += len(known)
        ended = 0
        bar = ProgressBar(sum(trial.total_steps for trial in missing), shown=self._progress)
        with bar, preserved(self._task):
            choice, engine = choose_engine(self._task, missing, self._engine)

            def observe(going: int, stage: str, /) -> None:
                said = f"{len(known)} of {len(trials)} trials of {trials[0].total_steps:,} updates"
                bar.show(ended + going, f"{said}; {stage}")

            for trial, curve in engine.run(self._task, missing, observe):
                self._journal.keep(trial, curve)
                known[trial] = curve
                ended += trial.total_steps
                observe(0, f"the last one {curve.status}")
        if missing:
            self.choice = choice
            self.notes.extend(engine.notes)
        return known


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
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise ArgumentError(
            f"seeds must be a whole number, how many trainings at each rate, at least 1; "
            f"got {seeds!r}."
        )
    return seeds


def _checked_factor(halving: int) -> int:
    if not isinstance(halving, int) or isinstance(halving, bool) or halving < 2:
        raise ArgumentError(
            "halving must be a whole number of at least 2, of which one rate in so many goes on; "
            f"got {halving!r}. Example: halving=3"
        )
    return halving


def rates_in(text: str) -> list[float]:
    """The rates that `--lr` names: `low:high:count`, equal factors apart, or a list.

    Raises:
        ArgumentError: it is neither, or the range is empty or reversed.

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
            f"lr must be low:high:count or rates with commas; got {text!r}. {way_out}"
        ) from error
    if not (0 < low < high < math.inf and count >= 2):
        raise ArgumentError(
            f"lr must be low:high:count with 0 < low < high and at least 2 rates; got {text!r}. "
            f"{way_out}"
        )
    return [float(f"{rate:.4g}") for rate in np.geomspace(low, high, count)]
