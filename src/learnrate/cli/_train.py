"""`learnrate train`: the reference training loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from learnrate._errors import ArgumentError
from learnrate.cli._common import console, print_json, reserve_stdout, task_from
from learnrate.cli._options import (
    JsonOption,
    SeedOption,
    StartOption,
    StoreOption,
    TaskArgument,
    TotalStepsOption,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning import InsidePlan
    from learnrate.task import Task

__all__ = ["train"]


def train(
    task: TaskArgument,
    plan: Annotated[
        Path | None,
        Option(
            help="A plan.json written by learnrate plan, or the word inside: the run plans itself."
        ),
    ] = None,
    schedule: Annotated[
        str | None, Option(help="The text of a schedule, such as '3e-4 * warmup(5%) >> linear()'.")
    ] = None,
    replay: Annotated[
        str | None,
        Option(metavar="RUN", help="Repeat a recorded run, with its schedule, edits and seed."),
    ] = None,
    guard: Annotated[
        bool, Option("--guard", help="Roll back and lower the rate when the loss diverges.")
    ] = False,
    total_steps: TotalStepsOption = None,
    start: StartOption = None,
    seed: SeedOption = 0,
    out: Annotated[
        Path | None, Option(help="The folder for train.json and the weights, model.pt.")
    ] = None,
    store: StoreOption = None,
    no_store: Annotated[bool, Option("--no-store", help="Do not record the run.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a task under a plan, a schedule, or as in a recorded run, and record the run.

    Ctrl-C ends the run early and keeps what was trained. The exit status is 1 if it diverged or
    failed.

    [dim]learnrate train examples/digits.py:task --plan build/digits/plan.json[/dim]

    [dim]learnrate train examples/digits.py:task --plan inside[/dim]
    """
    _check_sources(plan, schedule, replay)
    if store is not None and no_store:
        raise ArgumentError("train takes either --store PLACE or --no-store; got both.")
    import learnrate  # noqa: PLC0415 - loads torch, which --help does not need
    from learnrate._files import folder_for, write_json  # noqa: PLC0415
    from learnrate.report import list_findings, show_curve  # noqa: PLC0415

    source = _source(plan, schedule, replay, store, seed)
    folder = None if out is None else folder_for(out)
    with reserve_stdout():
        trained_task, source = _at_planned_rates(task_from(task, start), plan, source)
        if replay is not None:
            _check_groups(trained_task, source["groups"] or (), replay)
        trained = learnrate.train(
            trained_task,
            total_steps=total_steps,
            store=False if no_store else store,
            guard=guard,
            **source,
        )
    if folder is not None:
        write_json(folder / "train.json", trained.to_dict())
        trained.save_weights(folder / "model.pt")
    if as_json:
        print_json(trained.to_dict())
    else:
        show_curve(console(), trained.curve, str(trained.schedule))
        if trained.inside is not None:
            _print_search(trained.inside)
        if trained.run is not None:
            list_findings(console(), trained.findings)
            if not trained.findings:
                typer.echo(f"nothing found. {trained.not_judged}".strip())
            if trained.not_trained:
                typer.echo(trained.not_trained)
            typer.echo(f"recorded as {trained.run}; learnrate runs {trained.run} shows it")
    code = {"finished": 0, "stopped": 0, "interrupted": 130}.get(str(trained.curve.status), 1)
    if code == 1:
        advice = trained.curve.error or (
            "the loss diverged: use a lower rate, or find one with learnrate plan"
        )
        typer.echo(
            f"learnrate train: {trained.curve.status} at step {trained.curve.steps}: {advice}",
            err=True,
        )
    raise typer.Exit(code)


def _source(
    plan: Path | None,
    schedule: str | None,
    replay: str | None,
    place: str | None,
    seed: int,
) -> dict[str, Any]:
    """The arguments of `learnrate.train` that say where the rates come from, and the seed.

    Args:
        plan: the option; a file, or the word inside.
        schedule: the option.
        replay: the option; a run.
        place: the store that has the run.
        seed: the option.
    """
    import learnrate  # noqa: PLC0415 - loads torch, which --help does not need
    from learnrate.planning import read_plan  # noqa: PLC0415
    from learnrate.steering import replayed  # noqa: PLC0415

    if replay is not None:
        store = learnrate.Store(place, create=False)
        recorded = replayed(store, replay)
        hyper_names = store.run(recorded.run).facts.get("hyper")
        if hyper_names:
            typer.echo(
                f"learnrate train: --replay repeats the rates of {recorded.run}, but not what else was "
                f"set in it ({', '.join(hyper_names)}), so losses differ. Attach again to repeat all of it.",
                err=True,
            )
        return {
            "schedule": recorded.base,
            "edits": recorded.edits_to_repeat,
            "groups": recorded.groups or None,
            "seed": seed if recorded.seed is None else recorded.seed,
        }
    if plan is not None and str(plan) == "inside":
        return {"plan": "inside", "seed": seed}
    chosen = schedule if plan is None else read_plan(plan).schedule
    return {"schedule": chosen, "seed": seed}


def _check_groups(task: Task, schedules: Sequence[object], run: str) -> None:
    """Refuse to repeat a run whose parameter groups differ from the task's.

    Args:
        task: the task to train.
        schedules: the schedules of the groups of the run; none if it had none of their own.
        run: the run, as given.
    """
    from learnrate.trials import Training, preserved  # noqa: PLC0415 - loads torch

    if not schedules:
        return
    with preserved(task):
        optimizers = Training(task, 0).optimizers
    count = sum(len(optimizer.param_groups) for optimizer in optimizers)
    if count != len(schedules):
        raise ArgumentError(
            f"--replay {run}: that run had schedules for {len(schedules)} parameter groups, and TASK has "
            f"{count}. A plan that names rates by patterns splits groups: train with its --plan again."
        )


def _print_search(inside: InsidePlan) -> None:
    """Print the cost of the search inside a run, and the losses of its branches."""
    typer.echo(inside.words)
    for test in inside.tests:
        typer.echo(f"step {test.step:,}: {test.words}")


def _at_planned_rates(
    task: Task, plan: Path | None, source: dict[str, Any]
) -> tuple[Task, dict[str, Any]]:
    """The task and the arguments of `learnrate.train`, with each group's rate if a plan has several.

    Args:
        task: the task to train.
        plan: the option; a file, or the word inside.
        source: the arguments so far.
    """
    from learnrate.planning import RatesPlan, read_plan  # noqa: PLC0415 - loads torch

    if plan is None or str(plan) == "inside":
        return task, source
    planned = read_plan(plan)
    if not isinstance(planned, RatesPlan):
        return task, source
    return planned.applied_to(task), {**source, "groups": planned.group_schedules}


def _check_sources(plan: Path | None, schedule: str | None, replay: str | None) -> None:
    """Refuse none or several of a plan, a schedule and a recorded run."""
    count = sum(source is not None for source in (plan, schedule, replay))
    if count != 1:
        raise ArgumentError(
            f"train needs exactly one of --plan FILE, --schedule SPEC and --replay RUN; got {count}."
        )
