"""`learnrate sweep`: the final loss at many rates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from learnrate._errors import ArgumentError
from learnrate.cli._common import console, print_json, resumable, save_picture
from learnrate.cli._options import (
    JsonOption,
    OutOption,
    PictureOption,
    SeedOption,
    ShapeOption,
    TaskArgument,
    TotalStepsOption,
    output_file,
)
from learnrate.cli._result_store import FactsOption, KeepOption, check_kept, keep

if TYPE_CHECKING:
    from learnrate import RayEngine

__all__ = ["sweep"]


def sweep(
    task: TaskArgument,
    lr: Annotated[
        str, Option(help="The peak rates: low:high:count, spaced by equal factors, or a,b,c.")
    ] = "1e-5:1:13",
    seeds: Annotated[
        int, Option(help="The number of trainings at each rate, each with its own seed.")
    ] = 3,
    total_steps: TotalStepsOption = None,
    shape: ShapeOption = "warmup(5%) >> linear()",
    engine: Annotated[
        str, Option(help="sequential, vectorised, ray, or auto: the fastest on this machine.")
    ] = "auto",
    address: Annotated[
        str | None,
        Option(help="The address of a Ray cluster: host:port, ray://host:port or auto."),
    ] = None,
    cpus: Annotated[float | None, Option(help="Cores for each Ray task; 1 by default.")] = None,
    gpus: Annotated[
        float | None, Option(help="GPUs for each Ray task; 0 by default, 0.25 for a quarter.")
    ] = None,
    halving: Annotated[
        int | None,
        Option(
            metavar="N",
            help="Successive halving: try all rates in short trials first; each round keeps one "
            "trial in N, at N times the length.",
        ),
    ] = None,
    rates: Annotated[
        str | None,
        typer.Option(
            help="Sweep two rates, every pair: groups, optimizers, or a name for each with numbers of "
            "parameter groups or a pattern of parameter names, such as 'hidden=0,rest=1+2'.",
            show_default=False,
        ),
    ] = None,
    second_lr: Annotated[
        str | None,
        typer.Option(
            help="With --rates, the values of the second rate; by default the same as --lr.",
            show_default=False,
        ),
    ] = None,
    seed: SeedOption = 0,
    out: OutOption = None,
    png: PictureOption = None,
    csv: Annotated[
        Path | None, Option(help="Save one line per trial to this file.", callback=output_file)
    ] = None,
    store: KeepOption = None,
    facts: FactsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Train at many rates with several seeds, and show the final loss at each rate and the best rate.

    After an interruption, run the same command again with the same --out: it repeats no trial that
    has ended.

    [dim]learnrate sweep examples/digits.py:task --lr 1e-5:1:13 --total-steps 500 --out build/sweep[/dim]
    """
    import learnrate  # noqa: PLC0415 - loads torch, which --help does not need
    from learnrate import sweeping  # noqa: PLC0415

    check_kept(store, facts)
    if store is not None and rates is not None:
        raise ArgumentError(
            "--store keeps sweeps of one rate, and --rates sweeps two; leave out one."
        )
    second = None if second_lr is None else sweeping.rates_in(second_lr)
    with resumable(out):
        swept_task = learnrate.load_task(task)
        result = sweeping.sweep(
            swept_task,
            sweeping.rates_in(lr),
            seeds=seeds,
            total_steps=total_steps,
            shape=shape,
            engine=_engine(engine, address=address, cpus=cpus, gpus=gpus),
            halving=halving,
            seed=seed,
            out=out,
            second_lr=second,
            rates=rates,
        )
    if isinstance(result, sweeping.Sweep):
        keep(store, "sweep", result.to_document(), swept_task, facts)
    if png is not None:
        save_picture(result.plot().figure, png)
    if csv is not None:
        result.to_csv(csv)
    if as_json:
        print_json(result.to_dict())
    else:
        from learnrate.report import show_rates_sweep, show_sweep  # noqa: PLC0415 - not for --json

        if isinstance(result, sweeping.RatesSweep):
            show_rates_sweep(console(), result)
        else:
            show_sweep(console(), result)
    for trial in result.failed if as_json else ():
        tried = f"{trial.lr:g}" if isinstance(trial, sweeping.SweptTrial) else f"{trial.lrs}"
        typer.echo(f"rate {tried}, seed {trial.seed}: {trial.curve.error}", err=True)
    if result.best is None:
        typer.echo(f"learnrate: {result.advice}", err=True)
        raise typer.Exit(1)


def _engine(name: str, **options: str | float | None) -> str | RayEngine:
    ray_options = {option: value for option, value in options.items() if value is not None}
    if name == "ray":
        from learnrate import RayEngine  # noqa: PLC0415 - loads torch

        return RayEngine(**ray_options)  # type: ignore[arg-type]
    if ray_options:
        raise ArgumentError(
            f"--{next(iter(ray_options))} needs --engine ray; the engine is {name!r}."
        )
    return name
