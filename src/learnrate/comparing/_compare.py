"""The comparison: a plan and a run at its rate against runs of other optimizers, at equal cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from learnrate._checks import check_seed, check_share, check_whole
from learnrate._errors import ArgumentError, MissingExtraError, TaskError
from learnrate._files import folder_for, number_or_none
from learnrate._progress import ProgressBar
from learnrate._ranks import rank_and_size
from learnrate._version import __version__
from learnrate.comparing._result import ComparedMethod, ComparedRun, Comparison
from learnrate.comparing._tuning_free import TUNING_FREE, missing
from learnrate.planning import plan as make_plan
from learnrate.schedules import shape as read_shape
from learnrate.task import check_is_task
from learnrate.training import train
from learnrate.trials import (
    Curve,
    Journal,
    Status,
    Trial,
    check_task,
    derived_seed,
    fingerprint,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import nn

    from learnrate.comparing._tuning_free import TuningFree
    from learnrate.planning import Plan
    from learnrate.schedules import Schedule
    from learnrate.store import Store
    from learnrate.task import Task

__all__ = ["JOURNAL_NAME", "compare"]

JOURNAL_NAME = "compare.trials.jsonl"
_PLANNED = "planned rate"
_MOST_SEEDS = 1000


def compare(
    task: Task,
    *,
    optimizers: Iterable[str] | None = None,
    total_steps: int | None = None,
    budget: float = 0.5,
    shape: str | Schedule = "warmup(5%) >> linear()",
    seeds: int = 5,
    confidence: float = 0.95,
    seed: int = 0,
    out: str | Path | None = None,
    store: str | Path | Store | bool | None = False,
    progress: bool = True,
) -> Comparison:
    """Compare the planned rate with optimizers that need no rate, at equal cost.

    For each seed a plan is made and a run is trained at its rate. The cost of the plan counts: every
    other optimizer makes as many updates as the plan and the run together, in one longer run. It trains
    as its authors recommend, with the weight decay of the task's parameter groups. All runs with one seed
    have the same initial weights and the same order of the data. So the final losses are compared seed by
    seed:

        difference = final loss of the other optimizer - final loss at the planned rate

    The intervals of the mean differences hold all at once at `confidence` (Bonferroni). Where an
    interval contains 0, the two cannot be told apart. The task is left as it was.

    Args:
        task: what to train, with one optimizer.
        optimizers: names in `learnrate.comparing.TUNING_FREE`; None for all that are installed.
        total_steps: the length of the planned run, in optimizer updates; the task's by default.
        budget: the most that a plan may cost, as a share of one run, in (0, 1].
        shape: the shape of the planned run's schedule, with peak 1.
        seeds: how many seeds, at least 2. Each makes a plan of its own.
        confidence: the confidence of all intervals together, above 0 and below 1.
        seed: the same seed gives the same comparison.
        out: a folder in which every run and every trial of a plan is kept. A comparison that is
            made again with the same folder does not train these again.
        store: where to record the whole runs: a file or URL, None for the default store (see
            `learnrate.Store`), False to record nothing.
        progress: whether to show a progress bar on standard error.

    Raises:
        ArgumentError: an argument is outside its rule.
        MissingExtraError: the package of a named optimizer is not installed, or none is.
        TaskError: the task cannot be trained, has several optimizers, or has no loss that falls.
        KeyboardInterrupt: on Ctrl-C; finished runs are kept in `out`.
    """
    check_is_task("compare", task)
    check_seed("compare", seed)
    check_whole("compare", "seeds", seeds, 2, "One seed has no interval.", high=_MOST_SEEDS)
    check_share("compare", "confidence", confidence)
    if not isinstance(budget, int | float) or isinstance(budget, bool) or not 0 < budget <= 1:
        raise ArgumentError(
            f"budget must be a share of one run, above 0 and at most 1; got {budget!r}."
        )
    total_steps = task.run_length(total_steps)
    planned_shape = read_shape(shape)
    if rank_and_size()[1] > 1:
        raise TaskError("compare trains in a single process; start it without torchrun.")
    chosen, left_out = _chosen(optimizers)
    folder = None if out is None else folder_for(Path(out))
    own_optimizer = check_task(task)[0].optimizer
    trial_seeds = [seed, *(derived_seed(seed, 31, index) for index in range(1, seeds))]
    expected = round((1 + budget) * total_steps) * seeds * (1 + len(chosen))
    with ProgressBar(expected, shown=progress) as bar:
        trainer = _WholeRuns(None if folder is None else folder / JOURNAL_NAME, store, bar)
        plans = []
        for index, trial_seed in enumerate(trial_seeds, 1):
            bar.show(trainer.updates, f"plan {index} of {seeds}")
            plans.append(
                make_plan(
                    task,
                    total_steps=total_steps,
                    budget=float(budget),
                    shape=planned_shape,
                    seed=trial_seed,
                    out=None if folder is None else folder / f"plan-{index}",
                    progress=False,
                )
            )
            trainer.updates += _cost(plans[-1])
        lengths = {
            trial_seed: total_steps + _cost(plan)
            for trial_seed, plan in zip(trial_seeds, plans, strict=True)
        }
        planned = _planned(trainer, task, plans, trial_seeds, type(own_optimizer).__name__)
        sgd = isinstance(own_optimizer, torch.optim.SGD)
        others = []
        for tuning_free in chosen:
            try:
                others.append(_other(trainer, task, tuning_free, lengths, sgd=sgd))
            except TaskError as error:  # this optimizer does not work with the task
                left_out[tuning_free.name] = str(error)
    return Comparison(
        task=task.name,
        total_steps=total_steps,
        planned=planned,
        others=tuple(others),
        left_out=left_out,
        confidence=float(confidence),
        validated=task.validate is not None,
        version=__version__,
    )


def _cost(plan: Plan) -> int:
    """The updates that a plan made."""
    return round(plan.cost * plan.total_steps)


def _chosen(names: Iterable[str] | None) -> tuple[list[TuningFree], dict[str, str]]:
    """The optimizers to compare, and why others are left out."""
    if names is None:
        absent = {
            name: str(missing(optimizer))
            for name, optimizer in TUNING_FREE.items()
            if optimizer.installed_version is None
        }
        chosen = [optimizer for name, optimizer in TUNING_FREE.items() if name not in absent]
        if not chosen:
            raise MissingExtraError(
                "pytorch_optimizer or another such package", "compare", "compare"
            )
        return chosen, absent
    named = list(dict.fromkeys(names))
    unknown = [name for name in named if name not in TUNING_FREE]
    if unknown or not named:
        raise ArgumentError(
            f"optimizers must be some of {', '.join(TUNING_FREE)}; got "
            f"{', '.join(map(repr, unknown)) or 'none'}."
        )
    chosen = [TUNING_FREE[name] for name in named]
    for optimizer in chosen:
        if optimizer.installed_version is None:
            raise missing(optimizer)
    return chosen, {}


def _planned(
    trainer: _WholeRuns, task: Task, plans: Sequence[Plan], seeds: Sequence[int], optimizer: str
) -> ComparedMethod:
    """The runs at the planned rates."""
    training = _MethodRuns(trainer, _PLANNED, task)
    runs = [
        training.run(plan.schedule, trial_seed, spent=_cost(plan), peak=plan.peak)
        for plan, trial_seed in zip(plans, seeds, strict=True)
    ]
    return ComparedMethod(
        name=_PLANNED,
        optimizer=optimizer,
        package=f"learnrate {__version__}",
        shape=str(plans[0].schedule.split()[1]),
        runs=tuple(runs),
    )


def _other(
    trainer: _WholeRuns,
    task: Task,
    tuning_free: TuningFree,
    lengths: Mapping[int, int],
    *,
    sgd: bool,
) -> ComparedMethod:
    """The runs of an optimizer that needs no rate, each as long as a plan with its run."""
    optimizer, runs = tuning_free.class_name(sgd=sgd), []
    unbound = tuning_free.lr[optimizer] * read_shape(tuning_free.shape)
    for trial_seed, length in lengths.items():
        changed = replace(task, optimizer=tuning_free.for_task(task, length))
        training = _MethodRuns(trainer, tuning_free.name, changed)
        runs.append(training.run(unbound.over(length), trial_seed))
    return ComparedMethod(
        name=tuning_free.name,
        optimizer=optimizer,
        package=f"{tuning_free.package} {tuning_free.installed_version}",
        shape=tuning_free.shape,
        runs=tuple(runs),
    )


class _WholeRuns:
    """Makes whole runs that the journal does not have, and shows all updates in one bar.

    Attributes:
        updates: all that were made, or known from before.
    """

    def __init__(
        self, path: Path | None, store: str | Path | Store | bool | None, bar: ProgressBar
    ) -> None:
        self.path, self.store = path, store
        self.updates = 0
        self._bar = bar

    def shown(self, name: str, seed: int) -> Callable[..., None]:
        """A hook of an optimizer that shows one more update."""

        def show(*_: object) -> None:
            self.updates += 1
            self._bar.show(self.updates, f"{name}, seed {seed}")

        return show


class _MethodRuns:
    """Makes the runs of one method."""

    def __init__(self, trainer: _WholeRuns, name: str, task: Task) -> None:
        self._trainer, self._name, self._task = trainer, name, task
        self._journal = Journal(trainer.path, fingerprint(task))

    def run(
        self, schedule: Schedule, seed: int, *, spent: int = 0, peak: float | None = None
    ) -> ComparedRun:
        """One run.

        Args:
            schedule: the schedule of the rate.
            seed: the seed of the run.
            spent: updates that its plan made.
            peak: the planned rate; None for an optimizer that needs none.
        """
        trial = Trial(schedule, seed)
        before = self._trainer.updates
        curve, run = self._journal.curve(trial), None
        if curve is None:
            curve, run = self._trained(trial)
        self._trainer.updates = before + trial.total_steps
        return ComparedRun(
            seed=seed,
            updates=spent + curve.steps,
            loss=number_or_none(curve.final),
            status=str(curve.status),
            seconds=curve.seconds,
            peak=peak,
            error=curve.error,
            run=run,
        )

    def _trained(self, trial: Trial) -> tuple[Curve, str | None]:
        show = self._trainer.shown(self._name, trial.seed)

        def optimizer(model: nn.Module) -> torch.optim.Optimizer:
            made_optimizer = self._task.optimizer_of(model)
            made_optimizer.register_step_post_hook(show)
            return made_optimizer

        trained = train(
            replace(self._task, optimizer=optimizer, name=f"{self._task.name}, {self._name}"),
            trial.schedule,
            seed=trial.seed,
            store=self._trainer.store,
            progress=False,
        )
        if trained.curve.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        self._journal.add_curve(trial, trained.curve)
        return trained.curve, trained.run
