"""`learnrate meta`: few-shot learning with separate inner rates."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from learnrate._errors import ArgumentError
from learnrate.cli._common import (
    command_group,
    console,
    print_json,
    reserve_stdout,
    resumable,
    save_picture,
)
from learnrate.cli._options import WHOLE, JsonOption, OutOption, SeedOption, picture_file

if TYPE_CHECKING:
    from learnrate.meta.theory import Regression, Simulation

__all__ = ["meta"]

meta = command_group(
    "meta", "Few-shot learning with one rate in meta-training and another at test time."
)

TasksArgument = Annotated[
    str,
    Argument(metavar="TASKS", help="A learnrate.meta.MetaTask, as file.py:name or module:name."),
]
TotalStepsOption = Annotated[
    int | None,
    Option(
        "--total-steps",
        help="Meta-updates of each training; by default the task's number.",
        **WHOLE,
    ),
]


@meta.command()
def sweep(
    tasks: TasksArgument,
    inner_lr: Annotated[
        str, Option(help="Rates of meta-training, of any sign: low:high:count or a,b,c.")
    ] = "-0.1:0.1:9",
    adapt_lr: Annotated[
        str, Option(help="Rates of adaptation at test time: low:high:count or a,b,c.")
    ] = "0:0.2:9",
    seeds: Annotated[
        int,
        Option(help="The number of meta-trainings at each inner rate, each with its own seed."),
    ] = 3,
    total_steps: TotalStepsOption = None,
    seed: SeedOption = 0,
    out: OutOption = None,
    png: Annotated[
        Path | None,
        Option(
            help="Save a picture of the loss over both rates to this file.", callback=picture_file
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Meta-train at each inner rate, and test each at every adaptation rate.

    All rates and seeds train at once. A sweep that was killed resumes with the same --out: finished
    trials are not repeated.

    [dim]learnrate meta sweep tasks.py:sines --inner-lr -0.1:0.5:13 --adapt-lr 0:0.5:6 --seeds 3[/dim]
    """
    from learnrate import meta as meta_learning  # noqa: PLC0415 - loads torch, which --help does not need

    inner = meta_learning.read_grid(inner_lr, "--inner-lr")
    adapt = meta_learning.read_grid(adapt_lr, "--adapt-lr")
    with resumable(out):
        task = meta_learning.load_meta_task(tasks)
        result = meta_learning.sweep(
            task, inner, adapt, seeds=seeds, total_steps=total_steps, seed=seed, out=out
        )
    if png is not None:
        save_picture(result.plot().figure, png)
    if as_json:
        print_json(result.to_dict())
    else:
        from learnrate.report import show_meta_sweep  # noqa: PLC0415 - not for --json

        show_meta_sweep(console(), result)
    if result.best is None:
        typer.echo(
            f"learnrate: {result.advice} {result.failures[0] if result.failures else ''}", err=True
        )
        raise typer.Exit(1)


@meta.command()
def train(
    tasks: TasksArgument,
    inner_lr: Annotated[
        float | None, Option(help="The rate of meta-training; the task's by default.")
    ] = None,
    adapt_lr: Annotated[
        float | None, Option(help="The rate of adaptation at test time; the task's by default.")
    ] = None,
    total_steps: TotalStepsOption = None,
    seed: SeedOption = 0,
    out: Annotated[
        Path | None, Option(help="The folder for meta.json and the weights, model.pt.")
    ] = None,
    png: Annotated[
        Path | None,
        Option(
            help="Save a picture of the learned rates below 0 to this file.", callback=picture_file
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Meta-train, then adapt to new episodes and print the loss.

    The exit status is 1 if it diverged; the message says in which episode and step.

    [dim]learnrate meta train tasks.py:sines --inner-lr -0.01 --adapt-lr 0.01[/dim]
    """
    from learnrate import meta as meta_learning  # noqa: PLC0415 - loads torch, which --help does not need
    from learnrate._files import folder_for, write_json  # noqa: PLC0415

    folder = None if out is None else folder_for(out)
    with reserve_stdout():
        task = meta_learning.load_meta_task(tasks)
        learns = inner_lr is None and isinstance(task.inner_lr, meta_learning.Learned)
        if png is not None and not learns:
            raise ArgumentError(
                "--png draws learned inner rates, and this training has fixed ones. Leave it out, or "
                "use MetaTask(inner_lr=Learned(...)) without --inner-lr."
            )
        result = meta_learning.train(
            task, inner_lr=inner_lr, adapt_lr=adapt_lr, total_steps=total_steps, seed=seed
        )
    if png is not None:
        save_picture(result.plot_rates().figure, png)
    if folder is not None:
        write_json(folder / "meta.json", result.to_dict())
        result.save(folder / "model.pt")
    if as_json:
        print_json(result.to_dict())
    else:
        from learnrate.report import show_meta_trained  # noqa: PLC0415 - not for --json

        show_meta_trained(console(), result)
    code = {"finished": 0, "interrupted": 130}.get(str(result.status), 1)
    if code == 1:
        typer.echo(f"learnrate meta train: diverged: {result.failure}", err=True)
    raise typer.Exit(code)


@meta.command()
def advise(
    tasks: TasksArgument,
    episodes: Annotated[int, Option(help="How many episodes to measure, at least 20.")] = 200,
    probe: Annotated[
        int, Option(help="Meta-updates of a short training with each sign; 0 for none.")
    ] = 100,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure the task diversity and the noise of your episodes, and advise which rates to try.

    [dim]learnrate meta advise tasks.py:sines[/dim]
    """
    from learnrate import meta as meta_learning  # noqa: PLC0415 - loads torch, which --help does not need

    with reserve_stdout():
        advice = meta_learning.advise(
            meta_learning.load_meta_task(tasks), episodes=episodes, probe=probe, seed=seed
        )
    if as_json:
        print_json(advice.to_dict())
        return
    probe_text = ""
    if advice.probe is not None:
        probe_text = (
            f"after {probe} meta-updates the loss at inner_lr {advice.scale:.2g} is "
            f"{abs(advice.probe):.3g} +- {advice.probe_error:.2g} "
            f"{'above' if advice.probe > 0 else 'below'} that at {-advice.scale:.2g}\n"
        )
    typer.echo(
        f"task diversity {advice.diversity:.3g}, noise {advice.noise:.3g}: "
        f"{advice.share:.0%} +- {advice.error:.0%} of an episode's gradient is specific to its task\n"
        f"{probe_text}{advice.regime}\n"
        f"next    learnrate meta sweep {tasks} --inner-lr {advice.grid} "
        f"--adapt-lr 0:{2 * advice.scale:.2g}:9"
    )


@meta.command()
def theory(
    figure: Annotated[
        int,
        Option(
            help="The figure of the paper, 2 or 3, whose setting is the default of all other options."
        ),
    ] = 2,
    n_train: Annotated[int | None, Option(help="Examples of a task in the inner step.")] = None,
    n_val: Annotated[int | None, Option(help="Examples of a task in the outer loss.")] = None,
    n_adapt: Annotated[
        int | None, Option(help="Examples of a task in adaptation at test time.")
    ] = None,
    tasks: Annotated[int | None, Option(help="The number of tasks in meta-training.")] = None,
    dim: Annotated[int | None, Option(help="The number of weights.")] = None,
    sigma: Annotated[float | None, Option(help="Standard deviation of the label noise.")] = None,
    nu: Annotated[
        float | None, Option(help="Distance of the tasks' weights from the centre.")
    ] = None,
    start: Annotated[
        float | None, Option(help="Distance of the initial weights from the centre.")
    ] = None,
    inner_lr: Annotated[
        float, Option(help="The inner rate for which the best adaptation rate is given.")
    ] = 0.2,
    adapt_lr: Annotated[
        float, Option(help="The adaptation rate at which losses are given.")
    ] = 0.2,
    simulate: Annotated[int | None, Option(help="Simulate this many runs for comparison.")] = None,
    png: Annotated[
        Path | None,
        Option(help="Save a picture like the paper's figure to this file.", callback=picture_file),
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Compute the best rates of MAML on mixed linear regression, by formula and by simulation.

    The setting is that of Bernacchia 2021 (arXiv:2102.00940).

    [dim]learnrate meta theory --figure 2 --simulate 20000 --png figure2.png[/dim]
    """
    from dataclasses import replace  # noqa: PLC0415

    from learnrate.meta import theory as closed_form  # noqa: PLC0415 - numpy alone

    settings = {2: closed_form.FIGURE_2, 3: closed_form.FIGURE_3}
    if figure not in settings:
        raise ArgumentError(f"--figure must be 2 or 3; got {figure}.")
    arguments: dict[str, Any] = {
        "n_train": n_train, "n_val": n_val, "n_adapt": n_adapt, "tasks": tasks, "dim": dim,
        "sigma": sigma, "nu": nu, "start": start,
    }  # fmt: skip
    changed = {name: value for name, value in arguments.items() if value is not None}
    problem = replace(settings[figure], **changed)
    simulation = None if simulate is None else closed_form.simulate(problem, simulate, seed=seed)
    if png is not None:
        picture = closed_form.draw_theory(
            problem, inner_lr=inner_lr, adapt_lr=adapt_lr, simulated=simulation
        )
        save_picture(picture, png)
    answer = _answer(problem, inner_lr, adapt_lr)
    if simulation is not None:
        answer["simulated"] = _simulated(simulation, inner_lr, adapt_lr)
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


def _simulated(simulation: Simulation, inner_lr: float, adapt_lr: float) -> dict[str, Any]:
    best, worst = simulation.best_inner_lr(), simulation.worst_inner_lr()
    rates = {"best": best.inner_lr, "worst": worst.inner_lr, "zero": 0.0, "given": inner_lr}
    return {
        "runs": simulation.runs,
        "inner_lr": {
            "best": best.inner_lr,
            "best_error": best.error,
            "worst": worst.inner_lr,
            "worst_error": worst.error,
        },
        "adapt_lr": {"best": simulation.best_adapt_lr(inner_lr)},
        "loss": {name: asdict(simulation.loss(rate, adapt_lr)) for name, rate in rates.items()},
        "gain": {
            "inner_lr": -1.0,
            "over": 0.0,
            **asdict(simulation.gain(-1.0, over=0.0, adapt_lr=adapt_lr)),
        },
    }
