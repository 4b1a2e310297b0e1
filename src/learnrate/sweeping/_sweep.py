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
from learnrate.schedules import schedule as read_schedule
from learnrate.sweeping._result import Sweep, SweptTrial
from learnrate.trials import (
    ENGINES,
    Choice,
    Curve,
    Journal,
    Trial,
    check_task,
    choose_engine,
    derived_seed,
    fingerprint,
    preserved,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.task import Task

__all__ = ["JOURNAL_NAME", "rates_in", "sweep"]

JOURNAL_NAME = "sweep.trials.jsonl"


def sweep(
    task: Task,
    lr: Sequence[float],
    *,
    seeds: int = 3,
    steps: int | None = None,
    shape: str | Schedule = "warmup(5%) >> linear()",
    engine: str = "auto",
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
        steps: updates of each trial; the task's own by default.
        shape: the schedule's shape, with peak 1; each trial's schedule is its rate times this.
        engine: `"sequential"`, `"vectorised"`, or `"auto"`, which times both and takes the faster.
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
        >>> made = sweep(quadratic_task(steps=50), [0.001, 0.01, 0.1], seeds=2)
        >>> len(made.trials), made.best > 0.01
        (6, True)
    """
    rates = _checked_rates(lr)
    trials = _trials(rates, _checked_seeds(seeds), seed, _checked_shape(shape), task.total(steps))
    if engine not in ENGINES:
        raise ArgumentError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}.")
    check_task(task)
    path = None if out is None else folder_for(Path(out)) / JOURNAL_NAME
    journal = Journal(path, fingerprint(task))
    known = {trial: curve for trial in trials if (curve := journal.curve(trial)) is not None}
    resumed = len(known)
    missing = [trial for trial in trials if trial not in known]
    choice, notes = _run(task, missing, known, journal, engine, progress=progress)
    return Sweep(
        trials=tuple(
            SweptTrial(rate, trial.seed, known[trial])
            for rate, trial in zip(np.repeat(rates, seeds).tolist(), trials, strict=True)
        ),
        choice=choice,
        resumed=resumed,
        total=trials[0].total,
        task=task.name,
        notes=notes,
    )


def _run(
    task: Task,
    missing: list[Trial],
    known: dict[Trial, Curve],
    journal: Journal,
    engine: str,
    *,
    progress: bool,
) -> tuple[Choice, tuple[str, ...]]:
    """Run what is missing, keeping each curve as soon as there is one."""
    updates = sum(trial.total for trial in missing)
    ended = count = 0
    with ProgressBar(updates, shown=progress) as bar, preserved(task):
        choice, chosen = choose_engine(task, missing, engine)

        def observe(going: int, stage: str, /) -> None:
            bar.show(ended + going, f"{count} of {len(missing)} trials; {stage}")

        for trial, curve in chosen.run(task, missing, observe):
            journal.keep(trial, curve)
            known[trial] = curve
            ended, count = ended + trial.total, count + 1
            observe(0, f"the last one {curve.status}")
    return choice, tuple(chosen.notes)


def _trials(rates: list[float], seeds: int, seed: int, shape: Schedule, total: int) -> list[Trial]:
    own = [seed, *(derived_seed(seed, 30, index) for index in range(1, seeds))]
    return [Trial((rate * shape).over(total), one) for rate in rates for one in own]


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


def _checked_shape(shape: str | Schedule) -> Schedule:
    return read_schedule(shape) if isinstance(shape, str) else shape


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
