"""Jobs for cells in several processes, each with one thread and its own core."""

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

__all__ = ["run_jobs"]


def run_jobs(cells: Sequence[Cell], job: Job, processes: int) -> None:
    """Run a job for every cell and print its result. A cell that fails does not stop the others.

    Args:
        cells: what the jobs are for.
        job: returns its result in words.
        processes: number of processes.

    Raises:
        SystemExit: a job failed; the message names the cells.
    """
    context = multiprocessing.get_context("spawn")
    waiting: SimpleQueue[Cell | None] = context.SimpleQueue()
    failed: SimpleQueue[str] = context.SimpleQueue()
    for cell in [*cells, *[None] * processes]:
        waiting.put(cell)
    workers = [
        context.Process(target=_work, args=(index, waiting, failed, job))
        for index in range(processes)
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
    os.sched_setaffinity(0, {cores[index % len(cores)]})  # so that engines do not share a core
    torch.set_num_threads(1)
    for cell in iter(waiting.get, None):
        start = time.perf_counter()
        try:
            result = job(cell)
        except Exception:  # noqa: BLE001 - printed, and the next cell is tried
            traceback.print_exc()
            failed.put(cell.name)
        else:
            print(f"{cell.name}: {result} ({time.perf_counter() - start:.0f} s)", flush=True)
