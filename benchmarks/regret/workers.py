"""A job for each cell, in several processes, each on a core of its own with one thread."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.queues import SimpleQueue

    from .cells import Cell

    Job = Callable[[Cell], str]

__all__ = ["each"]


def each(cells: Sequence[Cell], job: Job, jobs: int) -> None:
    """Do a job for every cell and print what it says; a cell that fails does not stop the others.

    Raises:
        SystemExit: any failed, with their names.
    """
    context = multiprocessing.get_context("spawn")
    waiting: SimpleQueue[Cell | None] = context.SimpleQueue()
    failed: SimpleQueue[str] = context.SimpleQueue()
    for cell in [*cells, *[None] * jobs]:
        waiting.put(cell)
    workers = [
        context.Process(target=_work, args=(index, waiting, failed, job)) for index in range(jobs)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    names = [failed.get() for _ in iter(failed.empty, True)]
    if names or any(worker.exitcode for worker in workers):
        raise SystemExit(f"failed: {', '.join(names) or 'a process died'}")


def _work(
    index: int, waiting: SimpleQueue[Cell | None], failed: SimpleQueue[str], job: Job
) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[index % len(cores)]})  # so that no engine takes another's core
    torch.set_num_threads(1)
    for cell in iter(waiting.get, None):
        began = time.perf_counter()
        try:
            said = job(cell)
        except Exception:  # noqa: BLE001 - told, and the next cell is tried
            traceback.print_exc()
            failed.put(cell.name)
        else:
            print(f"{cell.name}: {said} ({time.perf_counter() - began:.0f} s)", flush=True)
