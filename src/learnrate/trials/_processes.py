"""An engine in several processes of this machine at once, each with a share of its cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections import deque
from contextlib import suppress
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from learnrate.trials._engines import Engine, Observe, Sequential, nothing
from learnrate.trials._parts import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from learnrate.task import Task
    from learnrate.trials._trial import Curve, Trial

__all__ = ["Forked", "available_cores", "in_processes"]

_Result = TypeVar("_Result")

_SHOWN_EVERY = 0.2  # seconds between two reports of progress


class Forked:
    """Runs parts of the trials in processes forked from this one, each on one core.

    A fork has the task as it is, whether or not it can be pickled. Parts are handed out as
    processes become free. What a process that died had not ended, as one killed for its memory,
    runs in this one, one trial after another.

    Args:
        engine: makes what runs a part; its random draws and curves are as in one process.
        width: how many trials a part holds at most.
        processes: how many at a time.
    """

    def __init__(self, engine: Callable[[], Engine], width: int, processes: int) -> None:
        self.name = engine().name
        self.notes: list[str] = []
        self._engine = engine
        self._width = width
        self._processes = processes

    def run(
        self, task: Task, trials: Sequence[Trial], observe: Observe = nothing
    ) -> Iterator[tuple[Trial, Curve]]:
        """Each trial with its curve as soon as it has ended."""
        waiting = deque(parts_of(trials, self._width))
        lost: list[Trial] = []
        processes = min(self._processes, len(waiting))
        workers = [_Worker(task, self._engine) for _ in range(processes)]
        try:
            for worker in workers:
                worker.begin(waiting.popleft())
            while busy := [worker for worker in workers if worker.left]:
                for worker in _ready(busy):
                    yield from worker.ended()
                    if worker.dead:
                        lost.extend(worker.give_up())
                    elif not worker.left and waiting:
                        worker.begin(waiting.popleft())
                observe(sum(worker.going for worker in workers), _stage(workers))
            lost.extend(trial for part in waiting for trial in part)
            self.notes.extend(dict.fromkeys(note for one in workers for note in one.notes))
        finally:
            for worker in workers:
                worker.end()
        if lost:
            self.notes.append(
                f"{len(lost)} trials ran one after another: the process they were in died"
            )
            yield from Sequential().run(task, lost, observe)


def available_cores() -> int:
    """The cores this process may use, where it may fork; otherwise 1.

    Only Linux forks a process with threads safely enough, and a device's context does not survive.
    """
    if sys.platform != "linux" or torch.cuda.is_initialized():
        return 1
    return len(os.sched_getaffinity(0))


def in_processes(function: Callable[[], _Result], processes: int) -> list[_Result]:
    """What a function returns in each of several forks at the same time, on one core each.

    Raises:
        RuntimeError: in one of them it raised, or it died.
    """
    pipes = [_forked(lambda pipe: pipe.send(function())) for _ in range(processes)]
    try:
        return [pipe.recv() for _, pipe in pipes]
    except EOFError as error:
        raise RuntimeError("a forked process ended without a result") from error
    finally:
        for process, pipe in pipes:
            _close(process, pipe)


class _Worker:
    """This process's end of a forked one, and the trials it was given."""

    def __init__(self, task: Task, engine: Callable[[], Engine]) -> None:
        self.left: list[Trial] = []
        self.going = 0
        self.stage = ""
        self.notes: list[str] = []
        self.dead = False
        self._process, self.pipe = _forked(lambda pipe: _serve(pipe, task, engine))

    def begin(self, part: list[Trial]) -> None:
        """Run these next."""
        self.left = list(part)
        self.going = 0
        with suppress(BrokenPipeError):  # it died; its end of the pipe says so next
            self.pipe.send(part)

    def ended(self) -> Iterator[tuple[Trial, Curve]]:
        """Take what it sent; a trial that has ended, with its curve."""
        try:
            kind, content = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.dead = True
            return
        if kind == "progress":
            self.going, self.stage = content
        elif kind == "notes":
            self.notes.extend(content)
        else:
            trial, curve = content
            self.left.remove(trial)
            self.going = max(0, self.going - trial.total_steps)
            yield trial, curve

    def give_up(self) -> list[Trial]:
        """What it was given and has not ended."""
        left, self.left, self.going = self.left, [], 0
        return left

    def end(self) -> None:
        """Stop it, whatever it does."""
        _close(self._process, self.pipe)


def _ready(workers: list[_Worker]) -> list[_Worker]:
    found = connection.wait([worker.pipe for worker in workers])
    return [worker for worker in workers if worker.pipe in found]


def _stage(workers: list[_Worker]) -> str:
    busy = [worker.stage for worker in workers if worker.left and worker.stage]
    return f"{len(busy)} processes; {busy[0]}" if busy else ""


def _serve(
    pipe: connection.Connection[Any, Any], task: Task, engine: Callable[[], Engine]
) -> None:
    """In a fork: run the parts that come, until it is ended."""
    shown = 0.0

    def observe(updates: int, stage: str, /) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown > _SHOWN_EVERY:
            shown = now
            pipe.send(("progress", (updates, stage)))

    while True:
        part = pipe.recv()
        runs = engine()
        ended = list[Any]()
        for trial, curve in runs.run(task, part, observe):
            ended.append(trial)
            last = len(ended) == len(part)
            if last and runs.notes:  # before the curve that says that the part has ended
                pipe.send(("notes", list(runs.notes)))
            pipe.send(("curve", (trial, curve)))


def _forked(
    target: Callable[[connection.Connection[Any, Any]], None],
) -> tuple[Any, connection.Connection[Any, Any]]:
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()

    def body() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
        ours.close()
        torch.set_num_threads(1)
        with suppress(Exception):  # the parent sees the end of the pipe, and does without
            target(theirs)

    process = fork.Process(target=body)
    with warnings.catch_warnings():
        # A fork of a process with threads may hold a lock for ever; torch's own loaders do the
        # same, and as they do, a fork here keeps to one thread.
        warnings.simplefilter("ignore")
        process.start()
    theirs.close()
    return process, ours


def _close(process: Any, pipe: connection.Connection[Any, Any]) -> None:
    pipe.close()
    process.kill()
    process.join()
    process.close()
