"""Which engine runs a set of trials: asked for, or measured."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from learnrate.trials._engines import Engine, Observe, Sequential, nothing
from learnrate.trials._probe import first_line, probe
from learnrate.trials._stack import Stack
from learnrate.trials._training import Training, preserved
from learnrate.trials._vectorised import Vectorised, is_out_of_memory, stackable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from learnrate.task import Task
    from learnrate.trials._trial import Curve, Trial

__all__ = ["ENGINES", "Choice", "Timing", "choose_engine"]

ENGINES = ("auto", "sequential", "vectorised")

_WIDTHS = (4, 16, 64)
_WORTH = 0.95  # a stack must save this much before its rarer paths are taken
_SHORT = 1.0  # seconds: below, measuring costs what it could save
_SHARE = 0.05  # of the sweep's time alone, that measuring may take
_LONGEST = 0.4  # seconds a candidate
_FEWEST = 3
_DROPOUT = (
    "The model draws random numbers while it trains (dropout?): in a stack every trial draws its "
    "own, of the same distribution as alone but not the same numbers."
)


@dataclass(frozen=True)
class Timing:
    """What one candidate took.

    Attributes:
        engine: its name.
        width: how many trials at once.
        threads: of torch.
        seconds: one update of one trial.
    """

    engine: str
    width: int
    threads: int
    seconds: float


@dataclass(frozen=True)
class Choice:
    """Which engine runs the trials, why, and what was measured.

    Attributes:
        engine: its name.
        reason: one sentence.
        width: how many trials a stack holds; 1 for the sequential engine.
        threads: torch's threads while it runs.
        timings: the candidates measured; empty where none was.
    """

    engine: str
    reason: str
    width: int = 1
    threads: int = field(default_factory=torch.get_num_threads)
    timings: tuple[Timing, ...] = ()


def choose_engine(task: Task, trials: Sequence[Trial], engine: str) -> tuple[Choice, Engine]:
    """The engine for `trials`: as asked, or for `"auto"` the fastest of those that can run them.

    A few updates of each candidate are timed on copies: alone and in stacks of several widths,
    with torch's threads and with one. Nothing of the user's is changed.
    """
    if engine == "sequential" or not trials:
        return Choice("sequential", "as asked." if trials else "nothing to run."), Sequential()
    largest = max(stackable(trials), key=len)
    if engine == "auto" and len(largest) == 1:
        return Choice("sequential", "no two trials share a seed."), Sequential()
    try:
        return _tried(task, largest, sum(trial.total for trial in trials), engine)
    except Exception as error:  # noqa: BLE001 - the task's own code; its trial will say it again
        return Choice("sequential", f"trying it out raised {first_line(error)}."), Sequential()


def _tried(task: Task, trials: list[Trial], updates: int, engine: str) -> tuple[Choice, Engine]:
    """The choice for the trials of one seed, if nothing raises."""
    alone = _timed(task, trials, 1, torch.get_num_threads(), 0.0) if engine == "auto" else None
    if alone is not None and alone.seconds * updates < _SHORT:
        reason = (
            f"all take about {alone.seconds * updates:.1f} s; too little to be worth measuring."
        )
        return Choice("sequential", reason, timings=(alone,)), Sequential()
    probed = probe(task, trials[0])
    if probed.refusal:
        reason = f"trials cannot be stacked, because {probed.refusal}."
        return Choice("sequential", reason), Sequential()
    if alone is None:
        choice = Choice("vectorised", "as asked.", width=len(trials))
    else:
        choice = _measured(task, trials, alone, alone.seconds * updates)
    return choice, _with_threads(choice, note=_DROPOUT if probed.random else "")


def _measured(task: Task, trials: list[Trial], alone: Timing, expected: float) -> Choice:
    threads = sorted({1, torch.get_num_threads()})
    widths = sorted({width for width in _WIDTHS if width < len(trials)} | {len(trials)})
    limit = min(_LONGEST, _SHARE * expected / (len(threads) * (len(widths) + 1)))
    timings = [alone]
    for width in (1, *widths):
        try:
            timings.extend(_timed(task, trials, width, n, limit) for n in threads)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            break
    single = min((one for one in timings if one.width == 1), key=lambda one: one.seconds)
    stacks = [one for one in timings if one.width > 1]
    best = min(stacks, key=lambda one: one.seconds, default=single)
    chosen = best if best.seconds < _WORTH * single.seconds else single
    return Choice(chosen.engine, _why(single, best), chosen.width, chosen.threads, tuple(timings))


def _why(single: Timing, best: Timing) -> str:
    alone = f"{single.seconds * 1e3:.3g} ms an update alone"
    stacked = f"{best.seconds * 1e3:.3g} ms each in a stack of {best.width}"
    return f"{alone}, {stacked} ({single.seconds / best.seconds:.1f} times as fast)."


def _timed(task: Task, trials: list[Trial], width: int, threads: int, limit: float) -> Timing:
    """The fastest update among a few: what the machine's other work adds is not the engine's."""
    with preserved(task), _threads(threads):
        update = _update_of(task, trials[:width])
        update()
        update()
        began = last = time.perf_counter()
        fastest, count = np.inf, 0
        while count < _FEWEST or last - began < limit:
            update()
            now = time.perf_counter()
            fastest, last, count = min(fastest, now - last), now, count + 1
    name = "sequential" if width == 1 else "vectorised"
    return Timing(name, width, threads, float(fastest) / width)


def _update_of(task: Task, trials: list[Trial]) -> Callable[[], object]:
    rates = np.array([float(np.max(trial.schedule.table())) for trial in trials])
    rates = np.minimum(rates, rates.min())  # the lowest: no timing of a divergence
    if len(trials) == 1:
        training = Training(task, trials[0].seed)
        return lambda: _synchronised(training.update(float(rates[0])))
    stack = Stack(task, trials[0].seed, len(trials))
    return lambda: _synchronised(stack.update(rates))


def _synchronised(result: object) -> object:
    """Wait for a device that works asynchronously."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return result


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    if count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count != before:
            torch.set_num_threads(before)


class _Chosen:
    """An engine under the number of threads that was fastest."""

    def __init__(self, engine: Engine, threads: int, note: str) -> None:
        self._engine = engine
        self._threads = threads
        self._note = note
        self.name = engine.name

    @property
    def notes(self) -> list[str]:
        return [*self._engine.notes, *([self._note] if self._note else [])]

    def run(
        self, task: Task, trials: Sequence[Trial], observe: Observe = nothing
    ) -> Iterator[tuple[Trial, Curve]]:
        with _threads(self._threads):
            yield from self._engine.run(task, trials, observe)


def _with_threads(choice: Choice, note: str) -> Engine:
    if choice.engine == "sequential":
        return _Chosen(Sequential(), choice.threads, "")
    return _Chosen(Vectorised(choice.width), choice.threads, note)
