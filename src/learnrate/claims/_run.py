"""The test of a claim: train, measure, decide."""

from __future__ import annotations

import datetime as dt
import os
import platform
import time
from typing import TYPE_CHECKING

import torch

from learnrate._checks import check_seed
from learnrate._errors import ArgumentError
from learnrate._version import __version__
from learnrate.claims._claim import Claim
from learnrate.claims._outcome import Outcome, judge, overall_verdict
from learnrate.claims._registry import claim_named
from learnrate.claims._trials import ClaimTrials, seeds_from
from learnrate.trials import available_cores

if TYPE_CHECKING:
    from learnrate.claims._measurement import Case
    from learnrate.task import Task

__all__ = ["run_claim"]


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
        seed: of weights and batches.
        progress: show a bar with the time left on standard error.

    Raises:
        ArgumentError: there is no such claim, or its design makes its own tasks.
        TaskError: the task cannot be trained.
        FileError: the data of the full test is missing.

    Examples:
        >>> tested = run_claim("zero-learns-nothing", progress=False)
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


def _tasks(claim: Claim, task: Task | None, *, full: bool) -> tuple[Task, ...]:
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
    assert all(value == value and abs(value) < float("inf") for value in case.values), (  # noqa: PLR0124, S101 - a claim's own file is at fault
        f"{claim.name}: {case.figure} on {case.where} is not finite"
    )
    return case


def _processor_seconds() -> float:
    """Processor time of this process and of its child processes that have ended."""
    return sum(os.times()[:4])


def _environment() -> dict[str, str]:
    return {
        "learnrate": __version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {available_cores()} cores",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }
