"""`learnrate plan`: a peak rate for a whole run, with its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from learnrate.cli._common import console, print_json, reserve_stdout, task_from
from learnrate.cli._options import (
    JsonOption,
    SeedOption,
    StartOption,
    TaskArgument,
    TotalStepsOption,
)
from learnrate.cli._result_store import FactsOption, KeepOption, check_kept, keep

if TYPE_CHECKING:
    from learnrate.store import Store

__all__ = ["plan"]


def plan(
    task: TaskArgument,
    total_steps: TotalStepsOption = None,
    budget: Annotated[
        str | None,
        Option(
            help="The most the plan may cost: a share of one whole run, such as 0.5, or a time, such "
            "as 90s, 10min or 1h. A share must pay for at least 22 updates: 0.147 for a run of 150. "
            "[dim]\\[default: 0.5 or 1min, whichever is more][/dim]"
        ),
    ] = None,
    shape: Annotated[
        str | None,
        Option(
            help="The schedule's shape, with peak 1, such as 'warmup(500) >> cosine()'. "
            "[dim]\\[default: warmup(5%) >> linear()][/dim]"
        ),
    ] = None,
    compare_shapes: Annotated[
        bool,
        Option(
            "--compare-shapes",
            help="Also choose warm-up and decay, with six short trials on top of the budget.",
        ),
    ] = False,
    more: Annotated[
        int,
        Option(
            help="If the verdict is weak, how many times to add two more trials on top of the "
            "budget; with the same --out only these are trained."
        ),
    ] = 0,
    rates: Annotated[
        str | None,
        typer.Option(
            help="Plan 2 or 3 rates together: groups, optimizers, or a name for each with numbers of "
            "parameter groups or a pattern of parameter names, such as 'hidden=0,rest=1+2' or "
            "'A=*lora_A*,B=*lora_B*'.",
            show_default=False,
        ),
    ] = None,
    like: Annotated[
        list[str] | None,
        Option(
            metavar="PLAN|STORE",
            help="Start from earlier plans of similar tasks: a plan.json, a folder with one, or a store "
            "that has plans of this TASK. A third of the budget tests them first. May be repeated.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        str,
        Option(
            help="sequential: one trial after another; auto: up to 8 at once, where a measurement shows "
            "that this is faster."
        ),
    ] = "auto",
    start: StartOption = None,
    seed: SeedOption = 0,
    store: KeepOption = None,
    facts: FactsOption = "",
    out: Annotated[
        Path, Option(help="The folder for plan.json, report.html and the trials that have ended.")
    ] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Find the peak rate for a whole run, with an interval, a schedule and a report.

    After an interruption, run the same command again with the same --out: it repeats no
    measurement.

    [dim]learnrate plan examples/digits.py:task --total-steps 2000 --out build/digits[/dim]
    """
    import learnrate  # noqa: PLC0415 - loads torch, which --help does not need
    from learnrate._files import write_text  # noqa: PLC0415
    from learnrate.planning import JOURNAL_NAME, RatesPlan  # noqa: PLC0415
    from learnrate.report import (  # noqa: PLC0415
        plan_page,
        rates_plan_page,
        show_plan,
        show_rates_plan,
    )

    check_kept(store, facts)
    sources = [_source(place) for place in like or ()]
    try:
        with reserve_stdout():
            planned_task = task_from(task, start)
            result = learnrate.plan(
                planned_task,
                total_steps=total_steps,
                budget=budget,
                shape=shape,
                compare_shapes=compare_shapes,
                more=more,
                seed=seed,
                out=out,
                rates=rates,
                like=sources or None,
                engine=engine,
            )
    except KeyboardInterrupt:
        typer.echo(
            f"interrupted; finished trials are kept in {out / JOURNAL_NAME}. "
            "Run the same command again to continue.",
            err=True,
        )
        raise typer.Exit(130) from None
    result.write(out / "plan.json")
    keep(store, "plan", result.to_dict(), planned_task, facts)
    command = f"learnrate train {task} --plan {out / 'plan.json'}"
    command += "" if start is None else f" --start {start}"
    if isinstance(result, RatesPlan):
        page = rates_plan_page(result, command=command)
    else:
        page = plan_page(result, command=command)
    write_text(out / "report.html", page)
    if as_json:
        print_json(result.to_dict())
        return
    if isinstance(result, RatesPlan):
        show_rates_plan(console(), result)
    else:
        show_plan(console(), result)
    typer.echo(f"\nplan    {out / 'plan.json'}\nreport  {out / 'report.html'}")
    typer.echo(f"next    {command}")


def _source(place: str) -> str | Store:
    """The argument of `learnrate.plan` for a value of --like."""
    if place.endswith(".json") or Path(place).is_dir():
        return place
    from learnrate.store import Store  # noqa: PLC0415 - loads SQLAlchemy, which --help does not need

    return Store(place, create=False)
