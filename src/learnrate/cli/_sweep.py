"""`learnrate sweep`: the final loss at many rates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from learnrate._errors import ArgumentError
from learnrate.cli._common import (
    JsonOption,
    SeedOption,
    ShapeOption,
    TaskArgument,
    TotalStepsOption,
    console,
    own_stdout,
    print_json,
    save_picture,
)

if TYPE_CHECKING:
    from learnrate import RayEngine

__all__ = ["sweep"]


def sweep(
    task: TaskArgument,
    lr: Annotated[
        str, typer.Option(help="The peak rates: low:high:count, equal factors apart, or a,b,c.")
    ] = "1e-5:1:13",
    seeds: Annotated[int, typer.Option(help="How many trainings at each rate.")] = 3,
    total_steps: TotalStepsOption = None,
    shape: ShapeOption = "warmup(5%) >> linear()",
    engine: Annotated[
        str,
        typer.Option(help="sequential, vectorised, ray, or auto: whichever is faster here."),
    ] = "auto",
    address: Annotated[
        str | None,
        typer.Option(
            help="Of a Ray cluster: host:port, ray://host:port or auto.", show_default=False
        ),
    ] = None,
    cpus: Annotated[
        float | None, typer.Option(help="Cores of each of Ray's tasks; 1.", show_default=False)
    ] = None,
    gpus: Annotated[
        float | None,
        typer.Option(help="Devices of each, as 0.25 for a quarter; 0.", show_default=False),
    ] = None,
    halving: Annotated[
        int | None,
        typer.Option(
            help="Successive halving: try all rates in short trials first, and let one in so many "
            "go on to trials so many times as long.",
            show_default=False,
        ),
    ] = None,
    seed: SeedOption = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the trials made so far.")] = None,
    png: Annotated[Path | None, typer.Option(help="Save the picture here.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Save one line a trial here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train at many rates with several seeds: the final loss over the rate, and the best.

    Killed or interrupted, run it again with the same --out: no finished trial is repeated.

    [dim]learnrate sweep examples/digits.py:task --lr 1e-5:1:13 --total-steps 500 --out build/sweep[/dim]
    """
    import learnrate  # noqa: PLC0415 - loads torch, which --help does not need
    from learnrate import sweeping  # noqa: PLC0415

    rates = sweeping.rates_in(lr)
    try:
        with own_stdout():
            made = sweeping.sweep(
                learnrate.load_task(task),
                rates,
                seeds=seeds,
                total_steps=total_steps,
                shape=shape,
                engine=_engine(engine, address=address, cpus=cpus, gpus=gpus),
                halving=halving,
                seed=seed,
                out=out,
            )
    except KeyboardInterrupt:
        typer.echo(_interrupted(out), err=True)
        raise typer.Exit(130) from None
    if png is not None:
        save_picture(made.plot().figure, png)
    if csv is not None:
        made.to_csv(csv)
    if as_json:
        print_json(made.to_dict())
    else:
        from learnrate.report import show_sweep  # noqa: PLC0415 - not for --json

        show_sweep(console(), made)
    for trial in made.failed if as_json else ():
        typer.echo(f"rate {trial.lr:g}, seed {trial.seed}: {trial.curve.error}", err=True)
    if made.best is None:
        typer.echo(f"learnrate: {made.advice}", err=True)
        raise typer.Exit(1)


def _engine(name: str, **options: str | float | None) -> str | RayEngine:
    given = {option: value for option, value in options.items() if value is not None}
    if name == "ray":
        from learnrate import RayEngine  # noqa: PLC0415 - loads torch

        return RayEngine(**given)  # type: ignore[arg-type]
    if given:
        raise ArgumentError(
            f"--{next(iter(given))} is of --engine ray alone; the engine asked for is {name!r}."
        )
    return name


def _interrupted(out: Path | None) -> str:
    if out is None:
        return "interrupted; nothing is kept without --out."
    return f"interrupted; finished trials are kept in {out}. Run the same command again to go on."
