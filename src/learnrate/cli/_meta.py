"""`learnrate meta`: few-shot learning with separate inner rates."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learnrate._errors import ArgumentError
from learnrate.cli._common import (
    JsonOption,
    SeedOption,
    console,
    print_json,
    reserve_stdout,
    save_picture,
)

if TYPE_CHECKING:
    from learnrate.meta.theory import Regression, Simulation

__all__ = ["meta"]

meta = typer.Typer(
    name="meta",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Few-shot learning with one rate in meta-training and another at test time.",
)

TasksArgument = Annotated[
    str,
    typer.Argument(
        metavar="TASKS", help="file.py:name or module:name of a learnrate.meta.MetaTask"
    ),
]
TotalStepsOption = Annotated[
    int | None, typer.Option("--total-steps", help="Meta-updates; the task's own by default.")
]


@meta.command()
def sweep(
    tasks: TasksArgument,
    inner_lr: Annotated[
        str, typer.Option(help="Rates of meta-training: low:high:count or a,b,c; any sign.")
    ] = "-0.1:0.1:9",
    adapt_lr: Annotated[
        str, typer.Option(help="Rates of adaptation at test time, likewise.")
    ] = "0:0.2:9",
    seeds: Annotated[int, typer.Option(help="Meta-trainings at each inner rate.")] = 3,
    total_steps: TotalStepsOption = None,
    seed: SeedOption = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for what is finished so far.")] = None,
    png: Annotated[Path | None, typer.Option(help="Save the map of the loss here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Meta-train at every inner rate, test at every adaptation rate: the loss over both.

    All rates and seeds train at once. Killed, run it again with the same --out: what was finished
    is not repeated.

    [dim]learnrate meta sweep tasks.py:sines --inner-lr -0.1:0.5:13 --adapt-lr 0:0.5:6 --seeds 3[/dim]
    """
    from learnrate import meta as room  # noqa: PLC0415 - loads torch, which --help does not need
    from learnrate.meta import grid_in  # noqa: PLC0415

    inner, adapt = grid_in(inner_lr, "--inner-lr"), grid_in(adapt_lr, "--adapt-lr")
    try:
        with reserve_stdout():
            task = room.load_meta_task(tasks)
            made = room.sweep(
                task, inner, adapt, seeds=seeds, total_steps=total_steps, seed=seed, out=out
            )
    except KeyboardInterrupt:
        kept = "nothing is kept without --out" if out is None else f"what is finished is in {out}"
        typer.echo(f"interrupted; {kept}.", err=True)
        raise typer.Exit(130) from None
    if png is not None:
        save_picture(made.plot().figure, png)
    if as_json:
        print_json(made.to_dict())
    else:
        from learnrate.report import show_meta_sweep  # noqa: PLC0415 - not for --json

        show_meta_sweep(console(), made)
    if made.best is None:
        typer.echo(
            f"learnrate: {made.advice} {made.failures[0] if made.failures else ''}", err=True
        )
        raise typer.Exit(1)


@meta.command()
def train(
    tasks: TasksArgument,
    inner_lr: Annotated[
        float | None,
        typer.Option(help="The rate of meta-training; the task's own.", show_default=False),
    ] = None,
    adapt_lr: Annotated[
        float | None,
        typer.Option(help="The rate at test time; the task's own.", show_default=False),
    ] = None,
    total_steps: TotalStepsOption = None,
    seed: SeedOption = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for meta.json and the weights, model.pt.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(help="Save a picture of learned rates below 0 here.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Meta-train, then adapt to new episodes and say the loss.

    The exit status is 1 if it diverged; the message says in which episode and step.

    [dim]learnrate meta train tasks.py:sines --inner-lr -0.01 --adapt-lr 0.01[/dim]
    """
    from learnrate import meta as room  # noqa: PLC0415 - loads torch, which --help does not need
    from learnrate._files import folder_for, write_json  # noqa: PLC0415

    folder = None if out is None else folder_for(out)
    with reserve_stdout():
        task = room.load_meta_task(tasks)
        made = room.train(
            task, inner_lr=inner_lr, adapt_lr=adapt_lr, total_steps=total_steps, seed=seed
        )
    if png is not None:
        save_picture(made.plot_rates().figure, png)
    if folder is not None:
        write_json(folder / "meta.json", made.to_dict())
        made.save(folder / "model.pt")
    if as_json:
        print_json(made.to_dict())
    else:
        from learnrate.report import show_meta_trained  # noqa: PLC0415 - not for --json

        show_meta_trained(console(), made)
    code = {"finished": 0, "interrupted": 130}.get(str(made.status), 1)
    if code == 1:
        typer.echo(f"learnrate meta train: diverged: {made.failure}", err=True)
    raise typer.Exit(code)


@meta.command()
def advise(
    tasks: TasksArgument,
    episodes: Annotated[int, typer.Option(help="How many episodes to measure.")] = 200,
    probe: Annotated[
        int, typer.Option(help="Meta-updates of a short training at either sign; 0 for none.")
    ] = 100,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure task diversity against noise from your own episodes, and say what to try.

    [dim]learnrate meta advise tasks.py:sines[/dim]
    """
    from learnrate import meta as room  # noqa: PLC0415 - loads torch, which --help does not need

    with reserve_stdout():
        found = room.advise(room.load_meta_task(tasks), episodes=episodes, probe=probe, seed=seed)
    if as_json:
        print_json(found.to_dict())
        return
    tried = ""
    if found.probe is not None:
        tried = (
            f"after {probe} meta-updates the loss at inner_lr {found.scale:.2g} is "
            f"{found.probe:.3g} +- {found.probe_error:.2g} above that at {-found.scale:.2g}\n"
        )
    typer.echo(
        f"task diversity {found.diversity:.3g}, noise {found.noise:.3g}: "
        f"{found.share:.0%} +- {found.error:.0%} of an episode's gradient is its task's own\n"
        f"{tried}{found.regime}\n"
        f"next    learnrate meta sweep {tasks} --inner-lr {found.grid} "
        f"--adapt-lr 0:{2 * found.scale:.2g}:9"
    )


@meta.command()
def theory(
    figure: Annotated[
        int, typer.Option(help="The paper's setting that what is not given comes from: 2 or 3.")
    ] = 2,
    n_train: Annotated[
        int | None, typer.Option(help="Points of the inner step.", show_default=False)
    ] = None,
    n_val: Annotated[
        int | None, typer.Option(help="Points of a task's outer loss.", show_default=False)
    ] = None,
    n_adapt: Annotated[
        int | None, typer.Option(help="Points of adaptation.", show_default=False)
    ] = None,
    tasks: Annotated[
        int | None, typer.Option(help="Tasks meta-trained on.", show_default=False)
    ] = None,
    dim: Annotated[int | None, typer.Option(help="Weights.", show_default=False)] = None,
    sigma: Annotated[float | None, typer.Option(help="Label noise.", show_default=False)] = None,
    nu: Annotated[
        float | None, typer.Option(help="Scatter of the tasks.", show_default=False)
    ] = None,
    start: Annotated[
        float | None,
        typer.Option(help="Distance of the first weights to the centre.", show_default=False),
    ] = None,
    inner_lr: Annotated[
        float, typer.Option(help="The inner rate that the adaptation's optimum is given for.")
    ] = 0.2,
    adapt_lr: Annotated[float, typer.Option(help="The adaptation rate that losses are at.")] = 0.2,
    simulate: Annotated[
        int | None, typer.Option(help="Draw so many runs beside it.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the paper's figure into this file.")
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Say the best rates of MAML on mixed linear regression, by formula and by simulation.

    The setting is that of Bernacchia 2021 (arXiv:2102.00940).

    [dim]learnrate meta theory --figure 2 --simulate 20000 --plot figure2.png[/dim]
    """
    from dataclasses import replace  # noqa: PLC0415

    from learnrate.meta import theory as room  # noqa: PLC0415 - numpy alone

    settings = {2: room.FIGURE_2, 3: room.FIGURE_3}
    if figure not in settings:
        raise ArgumentError(f"--figure must be 2 or 3; got {figure}.")
    given: dict[str, Any] = {
        "n_train": n_train, "n_val": n_val, "n_adapt": n_adapt, "tasks": tasks, "dim": dim,
        "sigma": sigma, "nu": nu, "start": start,
    }  # fmt: skip
    changed = {name: value for name, value in given.items() if value is not None}
    problem = replace(settings[figure], **changed)
    drawn = None if simulate is None else room.simulate(problem, simulate, seed=seed)
    if plot is not None:
        picture = room.draw_theory(problem, inner_lr=inner_lr, adapt_lr=adapt_lr, simulated=drawn)
        save_picture(picture, plot)
    answer = _answer(problem, inner_lr, adapt_lr)
    if drawn is not None:
        answer["simulated"] = _simulated(drawn, inner_lr, adapt_lr)
    if as_json:
        print_json(answer)
        return
    from learnrate.report import show_theory  # noqa: PLC0415 - not for --json

    show_theory(console(), answer)


def _answer(problem: Regression, inner_lr: float, adapt_lr: float) -> dict[str, Any]:
    best, worst = problem.best_inner_lr, problem.worst_inner_lr
    rates = {"best": best, "worst": worst, "zero": 0.0, "given": inner_lr}
    return {
        "inner_lr": {"best": best, "worst": worst},
        "adapt_lr": {"best": problem.best_adapt_lr(inner_lr), "at_inner_lr": inner_lr},
        "loss": {
            name: None if rate is None else float(problem.loss(rate, adapt_lr))
            for name, rate in rates.items()
        },
        "regime": problem.regime,
        "problem": asdict(problem),
        "at_adapt_lr": adapt_lr,
    }


def _simulated(drawn: Simulation, inner_lr: float, adapt_lr: float) -> dict[str, Any]:
    best, worst = drawn.best_inner_lr(), drawn.worst_inner_lr()
    rates = {"best": best.inner_lr, "worst": worst.inner_lr, "zero": 0.0, "given": inner_lr}
    return {
        "runs": drawn.runs,
        "inner_lr": {
            "best": best.inner_lr,
            "best_error": best.error,
            "worst": worst.inner_lr,
            "worst_error": worst.error,
        },
        "adapt_lr": {"best": drawn.best_adapt_lr(inner_lr)},
        "loss": {name: asdict(drawn.loss(rate, adapt_lr)) for name, rate in rates.items()},
        "gain": {
            "inner_lr": -1.0,
            "over": 0.0,
            **asdict(drawn.gain(-1.0, over=0.0, adapt_lr=adapt_lr)),
        },
    }
