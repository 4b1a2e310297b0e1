"""Which engine runs a set of trials: asked for, or measured."""

from __future__ import annotations

import heapq
import math
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from learnrate._ranks import rank_and_size
from learnrate.trials._engines import Engine, Observe, Sequential, nothing
from learnrate.trials._memory import Room, is_out_of_memory, measured_room
from learnrate.trials._parts import parts_of, stackable
from learnrate.trials._probe import Probe, first_line, probe
from learnrate.trials._processes import Forked, available_cores, in_processes
from learnrate.trials._ray import RayEngine
from learnrate.trials._stack import Stack
from learnrate.trials._training import Training, preserved
from learnrate.trials._vectorised import Vectorised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from learnrate.task import Task
    from learnrate.trials._trial import Curve, Trial

__all__ = ["ENGINES", "Choice", "Timing", "choose_engine"]

ENGINES = ("auto", "sequential", "vectorised", "ray")

_WIDTHS = (4, 16, 64)
_WORTH = 0.95  # a stack must save this much before its rarer paths are taken
_SHORT = 1.0  # seconds: below, measuring costs what it could save
_SHARE = 0.05  # of the sweep's time alone, that measuring may take
_LONGEST = 0.4  # seconds a candidate
_FEWEST = 3  # updates timed, after
_WARM = 2  # that are not
_ALONE = Probe("no two of them share a seed")
_DROPOUT = (
    "The model draws random numbers while it trains (dropout?): in a stack every trial draws its "
    "own, of the same distribution as alone but not the same numbers."
)


@dataclass(frozen=True)
class Timing:
    """What one candidate took.

    Attributes:
        engine: its name.
        width: how many trials at once in a process.
        threads: of torch in a process.
        seconds: one update of one trial, in a process; several processes measured at once.
        processes: how many at once.
    """

    engine: str
    width: int
    threads: int
    seconds: float
    processes: int = 1


@dataclass(frozen=True)
class Choice:
    """Which engine runs the trials, why, and what was measured.

    Attributes:
        engine: its name.
        reason: one sentence.
        width: how many trials a stack holds; 1 for the sequential engine.
        threads: torch's threads while it runs, in each process.
        processes: how many run at once.
        timings: the candidates measured; empty where none was.
    """

    engine: str
    reason: str
    width: int = 1
    threads: int = field(default_factory=torch.get_num_threads)
    processes: int = 1
    timings: tuple[Timing, ...] = ()


def choose_engine(
    task: Task, trials: Sequence[Trial], engine: str | RayEngine
) -> tuple[Choice, Engine]:
    """The engine for `trials`: as asked, or for `"auto"` the fastest of those that can run them.

    A few updates of each candidate are timed on copies: alone and in stacks of several widths,
    with torch's threads, with one, and in a process for every core. Nothing of the user's is
    changed. Ray is taken only when asked for, with stacks of the width that is fastest here.
    """
    if rank_and_size()[1] > 1:
        return Choice("sequential", "all ranks train each trial together."), Sequential()
    if engine == "ray" or isinstance(engine, RayEngine):
        return _on_ray(task, trials, engine if isinstance(engine, RayEngine) else RayEngine())
    if engine == "sequential" or not trials:
        return Choice("sequential", "as asked." if trials else "nothing to run."), Sequential()
    try:
        return _tried(task, trials, engine, min(available_cores(), len(trials)))
    except Exception as error:  # noqa: BLE001 - the task's own code; its trial will say it again
        return Choice("sequential", f"trying it out raised {first_line(error)}."), Sequential()


def _on_ray(task: Task, trials: Sequence[Trial], engine: RayEngine) -> tuple[Choice, Engine]:
    """Ray, each of its tasks a stack of the width that is fastest in one process here."""
    width = 1
    timings: tuple[Timing, ...] = ()
    with suppress(Exception):  # the task's own code; its trial will say it again
        here, _ = _tried(task, trials, "auto", processes=1)
        width, timings = here.width, here.timings
    stacked = f"up to {width} trials in each task" if width > 1 else "one trial in each task"
    choice = Choice("ray", f"as asked, {stacked}.", width=width, timings=timings)
    return choice, replace(engine, width=width)


def _tried(
    task: Task, trials: Sequence[Trial], engine: str, processes: int
) -> tuple[Choice, Engine]:
    """The choice among engines in up to so many processes, if nothing raises."""
    largest = max(stackable(trials), key=len)
    if engine == "vectorised":
        return _stacked(task, largest)
    updates = sum(trial.total_steps for trial in trials)
    if _SHARE * updates <= _FEWEST + _WARM:
        reason = f"{updates} updates in all; too few to be worth measuring."
        return Choice("sequential", reason), Sequential()
    alone = _timed(task, largest, 1, torch.get_num_threads(), 0.0)
    expected = alone.seconds * updates
    if expected < _SHORT:
        reason = f"all take about {expected:.1f} s; too little to be worth measuring."
        return Choice("sequential", reason, timings=(alone,)), Sequential()
    probed = probe(task, largest[0]) if len(largest) > 1 else _ALONE
    choice = _measured(task, trials, [] if probed.refusal else largest, alone, processes)
    if probed.refusal:
        said = f"{choice.reason} Trials cannot be stacked, because {probed.refusal}."
        choice = replace(choice, reason=said)
    return choice, _chosen(choice, probed)


def _stacked(task: Task, largest: list[Trial]) -> tuple[Choice, Engine]:
    """Stacks as wide as memory allows, if there can be stacks."""
    probed = probe(task, largest[0])
    if probed.refusal:
        reason = f"trials cannot be stacked, because {probed.refusal}."
        return Choice("sequential", reason), Sequential()
    room = measured_room(task, largest[0], len(largest))
    width = room.widest(len(largest))
    reason = "as asked" if width == len(largest) else f"as asked; {room.said(len(largest))}"
    choice = Choice("vectorised", f"{reason}.", width=width)
    return choice, _chosen(choice, probed)


def _measured(
    task: Task, trials: Sequence[Trial], group: list[Trial], alone: Timing, cores: int
) -> Choice:
    """Time every candidate: stacks of `group`, in one process and in one for each of the cores."""
    room = measured_room(task, group[0], len(group)) if group else Room(0.0, None)
    widths = [1, *_widths(room.widest(len(group)))]
    shared = [1, *_widths(room.widest(math.ceil(len(group) / cores), cores))] if cores > 1 else []
    threads = sorted({1, torch.get_num_threads()})
    expected = alone.seconds * sum(trial.total_steps for trial in trials)
    limit = min(_LONGEST, _SHARE * expected / (len(threads) * len(widths) + len(shared)))
    own = group or list(trials)
    timings = [alone]
    for width in widths:
        try:
            timings.extend(_timed(task, own, width, count, limit) for count in threads)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            break
    fork = 0.0
    with suppress(Exception):  # a task that cannot be run in a fork runs in this process
        fork = _seconds_of(lambda: in_processes(lambda: None, cores))
        timings.extend(_timed_at_once(task, own, width, cores, limit) for width in shared)
    single = min((one for one in timings if _plain(one)), key=lambda one: one.seconds)
    longest = _expected(single, trials, fork)
    best = min(timings, key=lambda one: _expected(one, trials, fork))
    chosen = best if _expected(best, trials, fork) < _WORTH * longest else single
    return Choice(
        chosen.engine,
        _why(single, best, longest / _expected(best, trials, fork)),
        chosen.width,
        chosen.threads,
        chosen.processes,
        tuple(timings),
    )


def _plain(one: Timing) -> bool:
    return one.width == one.processes == 1


def _widths(trials: int) -> list[int]:
    """The widths of stack worth trying for as many trials of one seed."""
    return sorted({width for width in (*_WIDTHS, trials) if 1 < width <= trials})


def _expected(one: Timing, trials: Sequence[Trial], fork: float) -> float:
    """Seconds the trials would take, each part given to the process that is free first."""
    free = [fork * (one.processes > 1)] * one.processes
    for part in parts_of(trials, one.width):
        heapq.heapreplace(free, free[0] + one.seconds * sum(trial.total_steps for trial in part))
    return max(free)


def _why(single: Timing, best: Timing, ratio: float) -> str:
    alone = f"{single.seconds * 1e3:.3g} ms an update alone"
    stack = f"in a stack of {best.width}" if best.width > 1 else "alone"
    several = f" in each of {best.processes} processes" if best.processes > 1 else ""
    return (
        f"{alone}, {best.seconds * 1e3:.3g} ms each {stack}{several} ({ratio:.1f} times as fast)."
    )


def _timed_at_once(
    task: Task, trials: list[Trial], width: int, processes: int, limit: float
) -> Timing:
    """One update of one trial where every core has a process: the slowest of them."""
    timings = in_processes(lambda: _timed(task, trials, width, 1, limit), processes)
    slowest = max(one.seconds for one in timings)
    return replace(timings[0], seconds=slowest, processes=processes)


def _seconds_of(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _timed(task: Task, trials: list[Trial], width: int, threads: int, limit: float) -> Timing:
    """The fastest update among a few: what the machine's other work adds is not the engine's."""
    with preserved(task), _threads(threads):
        update = _update_of(task, trials[:width])
        for _ in range(_WARM):
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


def _chosen(choice: Choice, probed: Probe) -> Engine:
    stacked = choice.engine == "vectorised"
    make: Callable[[], Engine] = partial(Vectorised, choice.width) if stacked else Sequential
    engine = make()
    if choice.processes > 1:
        engine = Forked(make, choice.width, choice.processes)
    return _Chosen(engine, choice.threads, _DROPOUT if stacked and probed.random else "")
