"""An engine in several processes of this machine at once, each on one core."""

from __future__ import annotations

import ctypes
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

from learnrate.trials._engines import Engine, ProgressCallback, Sequential, split_into_stacks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from learnrate.task import Task
    from learnrate.trials._trial import Curve, Trial

__all__ = ["Forked", "available_cores", "in_processes"]

_Result = TypeVar("_Result")

_PROGRESS_EVERY = 0.2  # seconds between two reports of progress
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of glibc's mallopt
_NEVER = 1 << 30  # bytes


class Forked(Engine):
    """Runs stacks of trials in processes forked from this one, each on one core.

    A fork has the task as it is, whether or not it can be pickled. A process that becomes free
    gets the next stack. If a process dies, for example because it was killed for its memory, its
    unfinished trials run in this process, one after another.

    Args:
        engine: makes the engine that runs a stack; random draws and curves are as in one process.
        width: the most trials a stack holds.
        processes: how many run at a time.
    """

    def __init__(self, engine: Callable[[], Engine], width: int, processes: int) -> None:
        self.name = engine().name
        self.notes: list[str] = []
        self._engine = engine
        self._width = width
        self._processes = processes

    def _curves(
        self, task: Task, trials: Sequence[Trial], on_progress: ProgressCallback
    ) -> Iterator[tuple[Trial, Curve]]:
        waiting = deque(split_into_stacks(trials, self._width))
        lost: list[Trial] = []
        processes = min(self._processes, len(waiting))
        workers = [_Worker(task, self._engine) for _ in range(processes)]
        try:
            for worker in workers:
                worker.begin(waiting.popleft())
            while busy := [worker for worker in workers if worker.left]:
                for worker in _ready(busy):
                    yield from worker.receive()
                    if worker.dead:
                        lost.extend(worker.take_back())
                    elif not worker.left and waiting:
                        worker.begin(waiting.popleft())
                on_progress(sum(worker.updates for worker in workers), _stage(workers))
            lost.extend(trial for stack in waiting for trial in stack)
            self.notes.extend(dict.fromkeys(note for worker in workers for note in worker.notes))
        finally:
            for worker in workers:
                worker.end()
        if lost:
            self.notes.append(
                f"{len(lost)} trials ran one after another, because their process died"
            )
            yield from Sequential().run(task, lost, on_progress)


def available_cores() -> int:
    """How many cores this process may use; 1 if it may not fork.

    Only Linux forks a process with threads safely enough, and a CUDA context does not survive it.
    """
    if sys.platform != "linux" or torch.cuda.is_initialized():
        return 1
    return len(os.sched_getaffinity(0))


def in_processes(function: Callable[[], _Result], processes: int) -> list[_Result]:
    """Call a function in several forks at the same time, on one core each; returns their results.

    Raises:
        RuntimeError: the function raised in a fork, or a fork died.
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
    """A forked process as seen from this one, and the trials it was given."""

    def __init__(self, task: Task, engine: Callable[[], Engine]) -> None:
        self.left: list[Trial] = []
        self.updates = 0  # made by its unfinished trials
        self.stage = ""
        self.notes: list[str] = []
        self.dead = False
        self._process, self.pipe = _forked(lambda pipe: _serve(pipe, task, engine))

    def begin(self, stack: list[Trial]) -> None:
        """Run these trials next."""
        self.left = list(stack)
        self.updates = 0
        with suppress(BrokenPipeError):  # it died; reading from the pipe will say so
            self.pipe.send(stack)

    def receive(self) -> Iterator[tuple[Trial, Curve]]:
        """Take the next message; yields a trial that has ended, with its curve."""
        try:
            kind, content = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.dead = True
            return
        if kind == "progress":
            self.updates, self.stage = content
        elif kind == "notes":
            self.notes.extend(content)
        else:
            trial, curve = content
            self.left.remove(trial)
            self.updates = max(0, self.updates - trial.total_steps)
            yield trial, curve

    def take_back(self) -> list[Trial]:
        """The trials it was given that have not ended; it has none after this."""
        left, self.left, self.updates = self.left, [], 0
        return left

    def end(self) -> None:
        """Kill the process."""
        _close(self._process, self.pipe)


def _ready(workers: list[_Worker]) -> list[_Worker]:
    readable = connection.wait([worker.pipe for worker in workers])
    return [worker for worker in workers if worker.pipe in readable]


def _stage(workers: list[_Worker]) -> str:
    busy = [worker.stage for worker in workers if worker.left and worker.stage]
    return f"{len(busy)} processes; {busy[0]}" if busy else ""


def _serve(
    pipe: connection.Connection[Any, Any], task: Task, engine: Callable[[], Engine]
) -> None:
    """In a fork: run the stacks that are sent, until the process is killed."""
    last_report = 0.0

    def report(updates: int, stage: str, /) -> None:
        nonlocal last_report
        now = time.monotonic()
        if now - last_report > _PROGRESS_EVERY:
            last_report = now
            pipe.send(("progress", (updates, stage)))

    while True:
        stack = pipe.recv()
        runner = engine()
        for count, (trial, curve) in enumerate(runner.run(task, stack, report), 1):
            if count == len(stack) and runner.notes:  # before the curve that ends the stack
                pipe.send(("notes", list(runner.notes)))
            pipe.send(("curve", (trial, curve)))


def _forked(
    target: Callable[[connection.Connection[Any, Any]], None],
) -> tuple[Any, connection.Connection[Any, Any]]:
    fork = multiprocessing.get_context("fork")
    parent_end, child_end = fork.Pipe()

    def body() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
        parent_end.close()
        torch.set_num_threads(1)
        _keep_freed_memory()
        with suppress(Exception):  # the parent sees the pipe close, and goes on without it
            target(child_end)

    process = fork.Process(target=body)
    with warnings.catch_warnings():
        # A fork of a process with threads may inherit a lock that nobody releases. torch's loaders
        # fork likewise, and use one thread in the fork, as is done here.
        warnings.simplefilter("ignore")
        process.start()
    child_end.close()
    return process, parent_end


def _keep_freed_memory() -> None:
    """Let this process reuse memory that it frees, instead of returning it to the system.

    The activations of a large model are freed in every update. Memory that comes back from the system
    is cleared page by page, which takes up to a sixth of an update. Without glibc, nothing changes.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        if mallopt(_MMAP_THRESHOLD, _NEVER):
            mallopt(_TRIM_THRESHOLD, _NEVER)
            mallopt(_TOP_PAD, 1 << 26)


def _close(process: Any, pipe: connection.Connection[Any, Any]) -> None:
    pipe.close()
    process.kill()
    process.join()
    process.close()
