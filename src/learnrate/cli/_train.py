"""`learnrate train`: the reference loop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from learnrate._errors import ArgumentError
from learnrate.cli._common import (
    JsonOption,
    SeedOption,
    StartOption,
    StoreOption,
    TaskArgument,
    TotalStepsOption,
    console,
    own_stdout,
    print_json,
    task_from,
)

__all__ = ["train"]


def train(
    task: TaskArgument,
    plan: Annotated[Path | None, typer.Option(help="A plan.json of learnrate plan.")] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="A schedule's text, such as '3e-4 * warmup(5%) >> linear()'."),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Repeat a recorded run: its schedule, its edits, its seed.",
            show_default=False,
        ),
    ] = None,
    guard: Annotated[
        bool,
        typer.Option("--guard", help="Go back and lower the rate when the loss leaves for good."),
    ] = False,
    total_steps: TotalStepsOption = None,
    start: StartOption = None,
    seed: SeedOption = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for train.json and the weights, model.pt.")
    ] = None,
    store: StoreOption = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Do not record the run.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a task under a plan, a schedule or as before, and record the run.

    Ctrl-C ends it early and keeps what there is. The exit status is 1 if it diverged or failed.

    [dim]learnrate train examples/digits.py:task --plan build/digits/plan.json[/dim]
    """
    if sum(given is not None for given in (plan, schedule, replay)) != 1:
        raise ArgumentError(
            "train needs --plan FILE or --schedule SPEC or --replay RUN, one of them."
        )
    if store is not None and no_store:
        raise ArgumentError("train takes --store PLACE or --no-store, not both.")
    import learnrate  # noqa: PLC0415 - loads torch, which --help does not need
    from learnrate._files import folder_for, write_json  # noqa: PLC0415
    from learnrate.report import show_curve, show_found  # noqa: PLC0415
    from learnrate.steering import replayed  # noqa: PLC0415

    chosen: Any = schedule
    edits: tuple[Any, ...] = ()
    if plan is not None:
        chosen = learnrate.Plan.read(plan).schedule
    if replay is not None:
        found = replayed(learnrate.Store(store, create=False), replay)
        chosen, edits = found.base, found.again
        seed = seed if found.seed is None else found.seed
    folder = None if out is None else folder_for(out)
    with own_stdout():
        trained = learnrate.train(
            task_from(task, start),
            chosen,
            total_steps=total_steps,
            seed=seed,
            store=False if no_store else store,
            guard=guard,
            edits=edits,
        )
    if folder is not None:
        write_json(folder / "train.json", trained.to_dict())
        trained.save_weights(folder / "model.pt")
    if as_json:
        print_json(trained.to_dict())
    else:
        show_curve(console(), trained.curve, str(trained.schedule))
        if trained.run is not None:
            show_found(console(), trained.findings)
            typer.echo(f"recorded as {trained.run}; learnrate runs {trained.run} has it")
    code = {"finished": 0, "stopped": 0, "interrupted": 130}.get(str(trained.curve.status), 1)
    if code == 1:
        advice = (
            trained.curve.error or "the loss left for good: lower the rate, or run learnrate plan"
        )
        typer.echo(
            f"learnrate train: {trained.curve.status} at step {trained.curve.steps}: {advice}",
            err=True,
        )
    raise typer.Exit(code)
