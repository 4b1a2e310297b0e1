"""`learnrate compare`: the planned rate compared with optimizers that need no rate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from learnrate._errors import ArgumentError
from learnrate.cli._common import console, print_json, resumable, save_picture
from learnrate.cli._options import (
    JsonOption,
    SeedOption,
    ShapeOption,
    StoreOption,
    TaskArgument,
    TotalStepsOption,
    picture_file,
)

__all__ = ["compare"]


def compare(
    task: TaskArgument,
    optimizers: Annotated[
        str | None,
        typer.Option(
            help="Names separated by commas, such as Prodigy,DoG. "
            "[dim]\\[default: all that are installed][/dim]",
            show_default=False,
        ),
    ] = None,
    total_steps: TotalStepsOption = None,
    budget: Annotated[
        float, typer.Option(help="The most that each plan may cost, as a share of one run.")
    ] = 0.5,
    shape: ShapeOption = "warmup(5%) >> linear()",
    seeds: Annotated[
        int, typer.Option(help="How many seeds, at least 2; each has its own plan.")
    ] = 5,
    confidence: Annotated[
        float, typer.Option(help="The confidence level of all intervals together.")
    ] = 0.95,
    seed: SeedOption = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder for compare.json and for plans and runs that have ended."),
    ] = None,
    png: Annotated[
        Path | None, typer.Option(help="Save the picture to this file.", callback=picture_file)
    ] = None,
    store: StoreOption = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Do not record the runs.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train at the planned rate and with optimizers that need no rate, and compare the losses.

    All get the same number of updates: the other optimizers also get those that the plan takes. After an interruption,
    run the same command again with the same --out: it repeats no run that has ended.

    [dim]learnrate compare examples/digits.py:task --total-steps 500 --out build/compare[/dim]
    """
    if store is not None and no_store:
        raise ArgumentError("compare takes either --store PLACE or --no-store; got both.")
    from learnrate import comparing  # noqa: PLC0415 - loads torch, which --help does not need
    from learnrate._files import write_json  # noqa: PLC0415
    from learnrate.report import show_comparison  # noqa: PLC0415
    from learnrate.task import load_task  # noqa: PLC0415

    with resumable(out, "run"):
        result = comparing.compare(
            load_task(task),
            optimizers=None if optimizers is None else _names(optimizers),
            total_steps=total_steps,
            budget=budget,
            shape=shape,
            seeds=seeds,
            confidence=confidence,
            seed=seed,
            out=out,
            store=False if no_store else store,
        )
    if out is not None:
        write_json(out / "compare.json", result.to_dict())
    if png is not None:
        save_picture(result.plot().figure, png)
    if as_json:
        print_json(result.to_dict())
        return
    show_comparison(console(), result)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
