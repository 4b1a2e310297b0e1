"""The test of a claim: train, measure, decide."""

from __future__ import annotations

import datetime as dt
import os
import platform
import time
from typing import TYPE_CHECKING

import torch

from learnrate._errors import ArgumentError
from learnrate._version import __version__
from learnrate.claims._bench import Bench, seeds_from
from learnrate.claims._claim import Claim
from learnrate.claims._outcome import Outcome, judged, verdict_of
from learnrate.claims._registry import claim_named
from learnrate.trials import available_cores

if TYPE_CHECKING:
    from learnrate.claims._claim import Case
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
    """Test a claim: on its own tasks, or on one of yours.

    Nothing of yours is changed. The same seed gives the same figures on the same machine.

    Args:
        claim: the claim or its name.
        task: what to train in place of the claim's own tasks, at its own length.
        full: more seeds and larger data; reads Fashion-MNIST and CIFAR-10 where the claim says so.
        seed: of weights and batches.
        progress: show a bar with the time left on standard error.

    Raises:
        ArgumentError: there is no such claim, or it needs what it makes itself and takes no task.
        TaskError: the task cannot be trained.
        FileError: the full test's data is not there.

    Examples:
        >>> tested = run_claim("zero-learns-nothing", progress=False)
        >>> str(tested.verdict)
        'holds'
    """
    chosen = claim if isinstance(claim, Claim) else claim_named(claim)
    began, spent = time.perf_counter(), _processor_seconds()
    seeds = seeds_from(seed, chosen.full_seeds if full else chosen.seeds)
    tasks = _tasks(chosen, task, full=full)
    measured = chosen.measure(Bench(seeds, full, tasks, chosen.name, progress))
    cases = tuple(
        judged(_checked(chosen, case), chosen.figure(case.figure)) for case in measured.cases
    )
    return Outcome(
        claim=chosen,
        cases=cases,
        verdict=verdict_of(cases, chosen.figures),
        seeds=len(seeds),
        seconds=time.perf_counter() - began,
        processor_seconds=_processor_seconds() - spent,
        full=full,
        own_task=None if task is None else task.name,
        lines=tuple(measured.lines),
        made=_made(),
    )


def _tasks(claim: Claim, task: Task | None, *, full: bool) -> tuple[Task, ...]:
    if claim.tasks is None:
        if task is not None:
            raise ArgumentError(
                f"--task: the claim {claim.name!r} is tested on what it makes itself, because its "
                "design needs it; run it without a task."
            )
        return ()
    if task is None:
        return tuple(claim.tasks(full))
    task.run_length()  # refuses one without a length
    return (task,)


def _checked(claim: Claim, case: Case) -> Case:
    assert all(value == value and abs(value) < float("inf") for value in case.values), (  # noqa: PLR0124, S101 - a claim's own file is at fault
        f"{claim.name}: {case.figure} on {case.where} is not finite"
    )
    return case


def _processor_seconds() -> float:
    """Of this process and of those it started that have ended."""
    return sum(os.times()[:4])


def _made() -> dict[str, str]:
    return {
        "learnrate": __version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {available_cores()} cores",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }
