"""Which engine runs a set of trials: the requested one, or the one measured to be fastest."""

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
from learnrate.trials._engines import (
    Engine,
    ProgressCallback,
    Sequential,
    split_by_seed_and_length,
    split_into_stacks,
)
from learnrate.trials._memory import StackMemory, is_out_of_memory, measure_stack_memory
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

__all__ = ["ENGINES", "Choice", "Timing", "choose_engine", "engine_of"]

ENGINES = ("auto", "sequential", "vectorised", "ray")

_WIDTHS = (4, 16, 64)
_GAIN = 0.95  # of the time of the sequential engine, that another one may take to be chosen
_SHORT = 1.0  # seconds; measuring shorter sweeps costs what it could save
_SHARE = 0.05  # of the time of the sequential engine, that measuring may take
_LONGEST = 0.2  # seconds for each time that a candidate is timed
_ROUNDS = 4  # in which the fastest candidates are timed again
_CLOSE = 1.5  # times the shortest time, up to which a candidate may turn out to be the fastest
_TIMED = 3  # updates timed at least, after
_WARMUP = 2  # updates that are not timed
_NO_SHARED_SEED = Probe("no two of them share a seed")
_DROPOUT = (
    "The model draws random numbers while it trains (dropout?). In a stack, each trial draws numbers "
    "of the same distribution as when it runs alone, but not the same numbers."
)


@dataclass(frozen=True)
class Timing:
    """How long an update takes with one candidate.

    Attributes:
        engine: the candidate's name.
        width: how many trials each process runs at once.
        threads: torch's threads in each process.
        seconds: the time of one update of one trial, while all processes run.
        processes: how many processes run at once.
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
        engine: the engine's name.
        reason: one sentence.
        width: how many trials a stack holds; 1 for the sequential engine.
        threads: torch's threads in each process.
        processes: how many processes run at once.
        timings: the candidates that were measured, if any.
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
    """The engine for `trials`: the requested one, or for `"auto"` the fastest that can run them.

    A few updates of each candidate are timed on copies: one trial alone, and stacks of several
    widths, with torch's threads, with one thread, and in one process per core. Nothing of the
    user's is changed. Ray is used on request only, with stacks of the width that is fastest here.

    Args:
        task: what is trained.
        trials: in increasing order of their rates, for each seed.
        engine: one of `ENGINES`, or a `RayEngine`.

    Returns:
        What was chosen and why, and the engine.
    """
    if rank_and_size()[1] > 1:
        return Choice("sequential", "all ranks train each trial together."), Sequential()
    if engine == "ray" or isinstance(engine, RayEngine):
        return _on_ray(task, trials, engine if isinstance(engine, RayEngine) else RayEngine())
    if engine == "sequential" or not trials:
        return Choice("sequential", "as requested." if trials else "nothing to run."), Sequential()
    try:
        return _try_engines(task, trials, engine, min(available_cores(), len(trials)))
    except Exception as error:  # noqa: BLE001 - the task's own code; its trials raise it again
        return Choice(
            "sequential", f"trying other engines raised {first_line(error)}."
        ), Sequential()


def _on_ray(task: Task, trials: Sequence[Trial], engine: RayEngine) -> tuple[Choice, Engine]:
    """Ray, with stacks of the width that is fastest in one process here."""
    width = 1
    timings: tuple[Timing, ...] = ()
    with suppress(Exception):  # the task's own code; its trials raise it again
        local, _ = _try_engines(task, trials, "auto", processes=1)
        width, timings = local.width, local.timings
    stacked = f"up to {width} trials in each task" if width > 1 else "one trial in each task"
    choice = Choice("ray", f"as requested, {stacked}.", width=width, timings=timings)
    return choice, replace(engine, width=width)


def _try_engines(
    task: Task, trials: Sequence[Trial], engine: str, processes: int
) -> tuple[Choice, Engine]:
    """Choose among the engines that run here, in up to `processes` processes."""
    largest = max(split_by_seed_and_length(trials), key=len)
    if engine == "vectorised":
        return _vectorised(task, largest)
    updates = sum(trial.total_steps for trial in trials)
    if _SHARE * updates <= _TIMED + _WARMUP:
        reason = f"{updates} updates in all, too few to be worth measuring."
        return Choice("sequential", reason), Sequential()
    alone = [_time_update(task, largest, 1, threads, 0.0) for threads in _thread_counts()]
    expected = updates * min(timing.seconds for timing in alone)
    if expected < _SHORT:
        reason = f"all trials take about {expected:.1f} s, too little to be worth measuring."
        return Choice("sequential", reason, timings=tuple(alone)), Sequential()
    probed = probe(task, largest[0]) if len(largest) > 1 else _NO_SHARED_SEED
    choice = _fastest(task, trials, [] if probed.refusal else largest, alone, processes)
    if probed.refusal:
        reason = f"{choice.reason} Trials cannot be stacked, because {probed.refusal}."
        choice = replace(choice, reason=reason)
    return choice, engine_of(choice, random=probed.random)


def _vectorised(task: Task, largest: list[Trial]) -> tuple[Choice, Engine]:
    """Stacks as wide as memory allows, if trials can be stacked."""
    probed = probe(task, largest[0])
    if probed.refusal:
        reason = f"trials cannot be stacked, because {probed.refusal}."
        return Choice("sequential", reason), Sequential()
    memory = measure_stack_memory(task, largest[0], len(largest))
    width = memory.widest(len(largest))
    reason = "as requested"
    if width < len(largest):
        reason += f"; {memory.shortage(len(largest))}"
    choice = Choice("vectorised", f"{reason}.", width=width)
    return choice, engine_of(choice, random=probed.random)


def _fastest(
    task: Task, trials: Sequence[Trial], group: list[Trial], alone: list[Timing], cores: int
) -> Choice:
    """Time all candidates, with stacks of trials of `group`; in one process and in one per core."""
    start = time.perf_counter()
    memory = StackMemory(0.0, None)
    if group:
        memory = measure_stack_memory(task, group[0], len(group))
    widths = [1, *_widths(memory.widest(len(group)))]
    widths_per_core = []
    if cores > 1:
        widths_per_core = [1, *_widths(memory.widest(math.ceil(len(group) / cores), cores))]
    threads = _thread_counts()
    single_update = min(timing.seconds for timing in alone)
    allowed = _SHARE * single_update * sum(trial.total_steps for trial in trials)
    count = len(threads) * len(widths) + len(widths_per_core)
    limit = min(_LONGEST, allowed / 2 / count)  # the other half is for timing again
    candidates = group or list(trials)
    timings = list(alone)
    for width in widths:
        try:
            timings.extend(
                _time_update(task, candidates, width, torch_threads, limit)
                for torch_threads in threads
            )
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            break
    fork = 0.0
    with suppress(Exception):  # a task that cannot be run in a fork runs in this process
        fork = _seconds_of(lambda: in_processes(lambda: None, cores))
        timings.extend(
            _time_processes(task, candidates, width, cores, limit) for width in widths_per_core
        )
    with suppress(Exception):  # what was measured until then stands
        _time_again(
            timings,
            partial(_timed_once_more, task, candidates, limit=limit),
            partial(_expected_seconds, trials=trials, fork=fork),
            start + allowed,
        )
    sequential = [timing for timing in timings if timing.width == timing.processes == 1]
    single = min(sequential, key=lambda timing: timing.seconds)
    longest = _expected_seconds(single, trials, fork)
    best = min(timings, key=lambda timing: _expected_seconds(timing, trials, fork))
    shortest = _expected_seconds(best, trials, fork)
    chosen = best if shortest < _GAIN * longest else single
    return Choice(
        chosen.engine,
        _comparison(single, best, longest / shortest),
        chosen.width,
        chosen.threads,
        chosen.processes,
        tuple(timings),
    )


def _time_again(
    timings: list[Timing],
    measure: Callable[[Timing], Timing],
    expected: Callable[[Timing], float],
    deadline: float,
) -> None:
    """Time the candidates that may be the fastest again, in turns.

    Other work on the machine slows down several updates in a row, and so may hide the fastest one.

    Args:
        timings: of all candidates; replaced by shorter ones.
        measure: times a candidate.
        expected: how long all trials take with a candidate.
        deadline: no measurement begins after it, in the seconds of `time.perf_counter`.
    """
    for _ in range(_ROUNDS):
        limit = _CLOSE * min(map(expected, timings))
        close = [place for place, timing in enumerate(timings) if expected(timing) <= limit]
        for place in close if len(close) > 1 else ():
            if time.perf_counter() > deadline:
                return
            again = measure(timings[place])
            timings[place] = min(timings[place], again, key=lambda timing: timing.seconds)


def _timed_once_more(task: Task, trials: list[Trial], timing: Timing, limit: float) -> Timing:
    if timing.processes > 1:
        return _time_processes(task, trials, timing.width, timing.processes, limit)
    return _time_update(task, trials, timing.width, timing.threads, limit)


def _thread_counts() -> list[int]:
    """The numbers of torch's threads worth trying in one process, the present one first."""
    return list(dict.fromkeys([torch.get_num_threads(), 1]))


def _widths(trials: int) -> list[int]:
    """The widths worth trying for stacks of up to `trials` trials."""
    return sorted({width for width in (*_WIDTHS, trials) if 1 < width <= trials})


def _expected_seconds(timing: Timing, trials: Sequence[Trial], fork: float) -> float:
    """How long all trials take, if each stack goes to the process that is free first.

    Args:
        timing: of the candidate.
        trials: to be run.
        fork: seconds it takes to fork the processes.
    """
    busy_until = [fork * (timing.processes > 1)] * timing.processes
    for stack in split_into_stacks(trials, timing.width):
        updates = sum(trial.total_steps for trial in stack)
        heapq.heapreplace(busy_until, busy_until[0] + timing.seconds * updates)
    return max(busy_until)


def _comparison(single: Timing, best: Timing, ratio: float) -> str:
    alone = f"{single.seconds * 1e3:.3g} ms an update alone"
    stack = f"in a stack of {best.width}" if best.width > 1 else "alone"
    several = f" in each of {best.processes} processes" if best.processes > 1 else ""
    return (
        f"{alone}, {best.seconds * 1e3:.3g} ms each {stack}{several} ({ratio:.1f} times as fast)."
    )


def _time_processes(
    task: Task, trials: list[Trial], width: int, processes: int, limit: float
) -> Timing:
    """Time an update in several processes at once: that of the slowest process."""
    timings = in_processes(lambda: _time_update(task, trials, width, 1, limit), processes)
    slowest = max(timing.seconds for timing in timings)
    return replace(timings[0], seconds=slowest, processes=processes)


def _seconds_of(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _time_update(
    task: Task, trials: list[Trial], width: int, threads: int, limit: float
) -> Timing:
    """Time an update: the fastest of a few, which the machine's other work slows down least."""
    with preserved(task), _threads(threads):
        update = _update_of(task, trials[:width])
        for _ in range(_WARMUP):
            update()
        start = last = time.perf_counter()
        fastest, count = np.inf, 0
        while count < _TIMED or last - start < limit:
            update()
            now = time.perf_counter()
            fastest, last, count = min(fastest, now - last), now, count + 1
    name = "sequential" if width == 1 else "vectorised"
    return Timing(name, width, threads, float(fastest) / width)


def _update_of(task: Task, trials: list[Trial]) -> Callable[[], object]:
    rates = np.array([float(np.max(trial.schedule.table())) for trial in trials])
    rates = np.minimum(rates, rates.min())  # the lowest, so that no diverging trial is timed
    if len(trials) == 1:
        training = Training(task, trials[0].seed)
        return lambda: _synchronised(training.update(float(rates[0])))
    stack = Stack(task, trials[0].seed, len(trials))
    return lambda: _synchronised(stack.update(rates))


def _synchronised(result: object) -> object:
    """Wait until the device has finished, and return the result."""
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


class _EngineWithThreads(Engine):
    """An engine that runs with a number of torch's threads; `note` is added to its notes."""

    def __init__(self, engine: Engine, threads: int, note: str) -> None:
        self.name = engine.name
        self.notes = self._added = [note] if note else []
        self._engine = engine
        self._threads = threads

    def _curves(
        self, task: Task, trials: Sequence[Trial], on_progress: ProgressCallback
    ) -> Iterator[tuple[Trial, Curve]]:
        with _threads(self._threads):
            yield from self._engine.run(task, trials, on_progress)
        self.notes = [*self._engine.notes, *self._added]


def engine_of(choice: Choice, *, random: bool = False) -> Engine:
    """The engine that was chosen.

    Args:
        choice: what `choose_engine` returned; not Ray.
        random: whether the model draws random numbers while it trains, which becomes a note.
    """
    stacked = choice.engine == "vectorised"
    make: Callable[[], Engine] = partial(Vectorised, choice.width) if stacked else Sequential
    engine = make()
    if choice.processes > 1:
        engine = Forked(make, choice.width, choice.processes)
    return _EngineWithThreads(engine, choice.threads, _DROPOUT if stacked and random else "")
