"""The test of a claim: train, measure, decide."""

from __future__ import annotations

import datetime as dt
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import torch

from learnrate._checks import check_seed
from learnrate._errors import ArgumentError
from learnrate._progress import ProgressBar
from learnrate._version import __version__
from learnrate.claims._claim import Claim
from learnrate.claims._outcome import Outcome, judge, overall_verdict, read_result
from learnrate.claims._registry import claim_named
from learnrate.claims._trials import ClaimTrials, seeds_from
from learnrate.trials import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.queues import SimpleQueue

    from learnrate.claims._measurement import Case
    from learnrate.task import Task

__all__ = ["run_claim", "run_claims"]


def run_claim(
    claim: Claim | str,
    *,
    task: Task | None = None,
    full: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> Outcome:
    """Test a claim, on its own tasks or on yours.

    Your task is left unchanged. The same seed gives the same figures on the same machine.

    Args:
        claim: the claim or its name.
        task: a task to train instead of the claim's own tasks, for its own `total_steps`.
        full: use more seeds and larger data. Some claims then read Fashion-MNIST or CIFAR-10.
        seed: the seed of weights and batches.
        progress: show a bar with the time left on standard error.

    Raises:
        ArgumentError: there is no such claim, or its design makes its own tasks.
        TaskError: the task cannot be trained.
        FileError: the data of the full test is missing.

    Examples:
        >>> tested = run_claim("best-rate-of-a-quadratic", progress=False)
        >>> str(tested.verdict)
        'holds'
    """
    check_seed("run_claim", seed)
    chosen = claim if isinstance(claim, Claim) else claim_named(claim)
    start, processor_start = time.perf_counter(), _processor_seconds()
    quick_seeds, full_seeds = chosen.seeds
    seeds = seeds_from(seed, full_seeds if full else quick_seeds)
    tasks = _tasks(chosen, task, full=full)
    measurement = chosen.measure(ClaimTrials(seeds, full, tasks, chosen.name, progress))
    cases = tuple(
        judge(_checked(chosen, case), chosen.figure(case.figure)) for case in measurement.cases
    )
    return Outcome(
        claim=chosen,
        cases=cases,
        verdict=overall_verdict(chosen, cases, full=full, own_task=task is not None),
        seeds=len(seeds),
        seconds=time.perf_counter() - start,
        processor_seconds=_processor_seconds() - processor_start,
        full=full,
        own_task=None if task is None else task.name,
        lines=tuple(measurement.lines),
        environment=_environment(),
    )


def run_claims(
    claims: Sequence[Claim],
    *,
    task: Task | None = None,
    full: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> Iterator[Outcome]:
    """Test several claims, one on each core at a time; yields each outcome as soon as it is known.

    The claims that took longest at their last test start first. Each is tested on its own core in a
    separate process, as by `run_claim`, so the number of claims that run at once changes no figure.

    Args:
        claims: the claims.
        task: as for `run_claim`, for all of them.
        full: as for `run_claim`.
        seed: as for `run_claim`.
        progress: show a bar with the claims that are tested, on standard error.

    Raises:
        ArgumentError: as for `run_claim`.
        TaskError: as for `run_claim`.
        FileError: as for `run_claim`.
    """
    ordered = sorted(claims, key=lambda claim: -_processor_seconds_before(claim, full=full))
    cores = _cores()[: len(ordered)]
    if len(cores) < 2:
        for claim in ordered:
            yield run_claim(claim, task=task, full=full, seed=seed, progress=progress)
        return

    def test(index: int) -> dict[str, Any]:
        return run_claim(ordered[index], task=task, full=full, seed=seed, progress=False).to_dict()

    context = get_context("fork")
    free: SimpleQueue[int] = context.SimpleQueue()
    for core in cores:
        free.put(core)
    with (
        ProgressBar(len(ordered), shown=progress) as bar,
        ProcessPoolExecutor(
            len(cores), mp_context=context, initializer=_begin, initargs=(test, free)
        ) as pool,
    ):
        running = {pool.submit(_test, index): ordered[index] for index in range(len(ordered))}
        try:
            for done, future in enumerate(as_completed(running), 1):
                bar.show(done, f"{done} of {len(ordered)} claims")
                yield Outcome.from_dict(running[future], future.result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _cores() -> list[int]:
    """The cores this process may use; none if it may not fork."""
    return sorted(os.sched_getaffinity(0)) if available_cores() > 1 else []


def _processor_seconds_before(claim: Claim, *, full: bool) -> float:
    """How long the claim's last test took; 0 if it was not tested."""
    tested = read_result(claim, full=full) or read_result(claim)
    return 0.0 if tested is None else tested.processor_seconds


_test_of_process: list[Callable[[int], dict[str, Any]]] = []
"""The function that a forked process calls."""


def _begin(test: Callable[[int], dict[str, Any]], free: SimpleQueue[int]) -> None:
    """Use one core that no other process uses."""
    os.sched_setaffinity(0, {free.get()})
    torch.set_num_threads(1)
    _test_of_process[:] = [test]


def _test(index: int) -> dict[str, Any]:
    """Test one claim, in a forked process."""
    return _test_of_process[0](index)


def _tasks(claim: Claim, task: Task | None, *, full: bool) -> tuple[Task, ...]:
    """The tasks that the test trains."""
    if claim.tasks is None:
        if task is not None:
            raise ArgumentError(
                f"--task: the design of the claim {claim.name!r} makes its own tasks, so it cannot be "
                f"tested on {task.name}; run it without --task."
            )
        return ()
    if task is None:
        return tuple(claim.tasks(full))
    task.run_length()  # raises if the task has no length
    return (task,)


def _checked(claim: Claim, case: Case) -> Case:
    """The case, if all its values are finite."""
    assert all(value == value and abs(value) < float("inf") for value in case.values), (  # noqa: PLR0124, S101 - a claim's own file is at fault
        f"{claim.name}: {case.figure} on {case.where} is not finite"
    )
    return case


def _processor_seconds() -> float:
    """Processor time of this process and of its child processes that have ended."""
    return sum(os.times()[:4])


def _environment() -> dict[str, str]:
    """Versions, machine and date."""
    return {
        "learnrate": __version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {available_cores()} cores",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }
