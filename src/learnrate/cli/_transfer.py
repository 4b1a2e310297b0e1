"""`learnrate transfer`: rates that stay the same across widths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learnrate._errors import ArgumentError
from learnrate.cli._common import (
    command_group,
    console,
    print_json,
    reserve_stdout,
    resumable,
    save_picture,
)
from learnrate.cli._options import (
    JsonOption,
    OutOption,
    PictureOption,
    SeedOption,
    ShapeOption,
    TotalStepsOption,
    output_file,
    pairs_in,
)
from learnrate.cli._result_store import FactsOption, KeepOption, check_kept, keep

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["transfer"]

transfer = command_group(
    "transfer",
    "Transfer a rate from a narrow model to a wide one: the rules of muP, and a check of them.",
)

MakeTaskArgument = Annotated[
    str,
    typer.Argument(
        metavar="MAKE_TASK",
        help="file.py:name or module:name of a function of the width that returns a learnrate.Task.",
    ),
]
WidthsOption = Annotated[
    str, typer.Option(help="The widths, separated by commas.", metavar="WIDTH,...")
]
BaseOption = Annotated[
    int | None,
    typer.Option(
        help="The width at which the task's own rates apply; the smallest by default.",
        show_default=False,
    ),
]
StandardOption = Annotated[
    bool, typer.Option("--standard", help="Train the task as its code makes it, without muP.")
]
RolesOption = Annotated[
    str,
    typer.Option(
        metavar="NAME=ROLE,...",
        help="Roles of parameters of your own layers: input, hidden, readout or fixed.",
    ),
]


@transfer.command()
def rules(
    make_task: MakeTaskArgument,
    width: Annotated[int, typer.Option(help="The width to train at.")],
    base: Annotated[int, typer.Option(help="The width at which the rate was found.")],
    roles: RolesOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show the factors of rates, weight decay and initial weights at a width.

    [dim]learnrate transfer rules widths.py:make_task --base 64 --width 1024[/dim]
    """
    from learnrate import transfer as transferring  # noqa: PLC0415 - loads torch

    with reserve_stdout():
        wide = transferring.at_width(
            _function(make_task), width, base=base, roles=pairs_in("--roles", roles)
        )
        rows = transferring.parameter_rows(wide)
    notes = () if wide.parametrization is None else wide.parametrization.notes
    if as_json:
        print_json(
            {
                "peak_factor": wide.peak_factor,
                "parameters": [row.to_dict() for row in rows],
                "notes": list(notes),
            }
        )
        return
    from learnrate.report import show_parameter_rows  # noqa: PLC0415 - not for --json

    show_parameter_rows(console(), rows, notes)
    if wide.peak_factor != 1.0:
        typer.echo(f"Multiply the peak of a learnrate schedule by {wide.peak_factor:.4g}.")


@transfer.command()
def check(
    make_task: MakeTaskArgument,
    widths: WidthsOption,
    base: BaseOption = None,
    standard: StandardOption = False,
    lr: Annotated[
        float | None,
        typer.Option(
            help="The rate at the base width; by default the rate of the task's optimizer.",
            show_default=False,
        ),
    ] = None,
    updates: Annotated[int, typer.Option(help="How many updates to make.")] = 4,
    seeds: Annotated[int, typer.Option(help="How many trainings at each width.")] = 4,
    seed: SeedOption = 0,
    roles: RolesOption = "",
    png: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that the activations and updates of every layer have the same size at all widths.

    The exit status is 1 if a layer breaks the rules of muP.

    [dim]learnrate transfer check widths.py:make_task --widths 32,64,128,256 --png check.png[/dim]
    """
    from learnrate import transfer as transferring  # noqa: PLC0415 - loads torch

    with reserve_stdout():
        result = transferring.check(
            _function(make_task),
            _widths(widths),
            base=base,
            standard=standard,
            lr=lr,
            updates=updates,
            seeds=seeds,
            seed=seed,
            roles=pairs_in("--roles", roles),
        )
    if png is not None:
        save_picture(result.plot(), png)
    if as_json:
        print_json(result.to_dict())
    else:
        from learnrate.report import show_coordinate_check  # noqa: PLC0415 - not for --json

        show_coordinate_check(console(), result)
    if result.verdict is transferring.Verdict.BREAKS:
        raise typer.Exit(1)


@transfer.command()
def sweep(
    make_task: MakeTaskArgument,
    widths: WidthsOption,
    lr: Annotated[
        str,
        typer.Option(help="The peak rates at the base width: low:high:count or a,b,c."),
    ] = "1e-4:1e-1:13",
    base: BaseOption = None,
    standard: StandardOption = False,
    seeds: Annotated[int, typer.Option(help="How many trainings at each rate.")] = 3,
    total_steps: TotalStepsOption = None,
    shape: ShapeOption = "warmup(5%) >> linear()",
    seed: SeedOption = 0,
    roles: RolesOption = "",
    out: OutOption = None,
    png: PictureOption = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Save one line per trial to this file, for learnrate scale.", callback=output_file
        ),
    ] = None,
    store: KeepOption = None,
    facts: FactsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Sweep the rate at several widths, and tell whether the best rate stays the same.

    After an interruption, run the same command again with the same --out: it repeats no trial that
    has ended.

    [dim]learnrate transfer sweep widths.py:make_task --widths 32,128,512 --lr 1e-4:1e-1:13[/dim]
    """
    from learnrate import transfer as transferring  # noqa: PLC0415 - loads torch
    from learnrate.sweeping import rates_in  # noqa: PLC0415

    check_kept(store, facts)
    with resumable(out):
        result = transferring.sweep(
            _function(make_task),
            _widths(widths),
            rates_in(lr),
            base=base,
            standard=standard,
            seeds=seeds,
            total_steps=total_steps,
            shape=shape,
            seed=seed,
            roles=pairs_in("--roles", roles),
            out=out,
        )
    keep(store, "sweep", result.to_document(), None, facts)
    if png is not None:
        save_picture(result.plot(), png)
    if csv is not None:
        result.to_csv(csv)
    if as_json:
        print_json(result.to_dict())
        return
    from learnrate.report import show_width_sweeps  # noqa: PLC0415 - not for --json

    show_width_sweeps(console(), result)


def _function(spec: str) -> Callable[[int], Any]:
    """The function of the width; its tasks have the name that a store distinguishes them by."""
    from collections.abc import Callable  # noqa: PLC0415

    from learnrate.task import Task, load_object  # noqa: PLC0415 - loads torch

    make_task: Callable[[int], Any] = load_object(spec, Callable, "function of the width")  # type: ignore[arg-type]

    def named(width: int) -> Any:
        task = make_task(width)
        unnamed = isinstance(task, Task) and task.name == "task"
        return replace(task, name=spec) if unnamed else task

    return named


def _widths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ArgumentError(
            f"--widths must be whole numbers, separated by commas; got {text!r}. "
            "Example: --widths 32,64,128"
        ) from error
