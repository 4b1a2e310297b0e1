"""The sweep over two rates: trials at every pair with every seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from learnrate._errors import ArgumentError
from learnrate._progress import ProgressBar
from learnrate.sweeping._rates_result import RatesSweep, SweptPair
from learnrate.task import RateGroups
from learnrate.trials import Choice, Curve, Journal, Training, Trial, choose_engine, preserved

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from learnrate.schedules import Schedule
    from learnrate.task import RatesArgument, Task
    from learnrate.trials import RayEngine

__all__ = ["sweep_rates"]

Pair = tuple[float, float]


def sweep_rates(
    task: Task,
    rates: RatesArgument,
    lrs: Sequence[Sequence[float]],
    *,
    seeds: Sequence[int],
    shape: Schedule,
    engine: str | RayEngine,
    path: Path | None,
    identity: str,
    progress: bool,
) -> RatesSweep:
    """Train at every pair of two rates with every seed; see `sweep`.

    Args:
        task: what to train.
        rates: what each rate is for.
        lrs: the values of both rates.
        seeds: the seeds of the trials of each pair.
        shape: the shape of the schedule, bound to its length.
        engine: the engine that runs the trials.
        path: the path of the journal.
        identity: the identity of the task.
        progress: whether to show a progress bar.

    Raises:
        ArgumentError: `rates` does not name 2 rates.
    """
    with preserved(task):
        groups = RateGroups.of(task, rates, Training(task, 0).model)
    if len(groups.names) != 2:
        raise ArgumentError(
            f"rates must be 2 rates in a sweep; got {len(groups.names)}. Give several parameter groups "
            "one name, or plan them together: learnrate.plan(task, rates=...)."
        )
    runner = _PairRunner(task, groups, shape, Journal(path, identity))
    pairs = [(first, second) for first in lrs[0] for second in lrs[1]]
    curves = runner.run(pairs, seeds, engine, progress=progress)
    return RatesSweep(
        names=groups.names,
        trials=tuple(
            SweptPair(pair, seed, curves[pair, seed]) for pair in pairs for seed in seeds
        ),
        choice=runner.choice,
        resumed=runner.resumed,
        total_steps=task.run_length(shape.total_steps),
        task=task.name,
        notes=tuple(dict.fromkeys([*runner.notes, *_seed_notes(seeds)])),
    )


def _seed_notes(seeds: Sequence[int]) -> list[str]:
    """A sentence on what too few seeds leave unknown."""
    note = (
        "With one seed the noise is not known, so the intervals are only what the grid resolves; use "
        "seeds=2 or more (--seeds)."
    )
    return [] if len(seeds) > 1 else [note]


class _PairRunner:
    """Runs the trials that the journal does not have, one ratio at a time.

    An engine changes the rate of a trial and keeps the ratio of its parameter groups, so trials of one
    ratio are trials of one task. The engine is chosen once, for the ratio with the most trials.
    """

    def __init__(self, task: Task, groups: RateGroups, shape: Schedule, journal: Journal) -> None:
        self.resumed = 0
        self.choice = Choice("sequential", "nothing to run.")
        self.notes: list[str] = []
        self._task, self._groups, self._shape, self._journal = task, groups, shape, journal

    def run(
        self,
        pairs: Sequence[Pair],
        seeds: Sequence[int],
        engine: str | RayEngine,
        *,
        progress: bool,
    ) -> dict[tuple[Pair, int], Curve]:
        """The curve of every pair and seed."""
        curves: dict[tuple[Pair, int], Curve] = {}
        missing: dict[float, dict[Trial, Pair]] = {}
        for pair in sorted(pairs):
            for seed in seeds:
                trial = Trial(max(self._groups.rates_of_groups(pair)) * self._shape, seed)
                known = self._journal.curve(trial, self._groups.text(pair))
                if known is not None:
                    curves[pair, seed] = known
                else:
                    ratio = round(math.log(pair[0] / pair[1]), 6)
                    missing.setdefault(ratio, {})[trial] = pair
        self.resumed = len(curves)
        total = sum(trial.total_steps for trials in missing.values() for trial in trials)
        with ProgressBar(total, shown=progress) as bar, preserved(self._task):
            self._run_missing(missing, engine, bar, curves)
        return curves

    def _run_missing(
        self,
        missing: dict[float, dict[Trial, Pair]],
        engine: str | RayEngine,
        bar: ProgressBar,
        curves: dict[tuple[Pair, int], Curve],
    ) -> None:
        chosen, ended = None, 0
        for trials in sorted(missing.values(), key=len, reverse=True):
            task = self._groups.task_at(self._task, next(iter(trials.values())))
            if chosen is None:
                self.choice, chosen = choose_engine(task, list(trials), engine)
            for trial, curve in chosen.run(task, list(trials)):
                pair = trials[trial]
                self._journal.add_curve(trial, curve, self._groups.text(pair))
                curves[pair, trial.seed] = curve
                ended += trial.total_steps
                bar.show(ended, f"rates {pair[0]:.2g} and {pair[1]:.2g}: {curve.status}")
        self.notes = [] if chosen is None else list(chosen.notes)
