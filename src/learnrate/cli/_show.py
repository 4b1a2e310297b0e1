"""`learnrate show`: what a schedule looks like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learnrate._errors import ArgumentError
from learnrate.cli._common import JsonOption, console, print_json, save_picture

if TYPE_CHECKING:
    from learnrate.schedules import Schedule

__all__ = ["show"]


def show(
    specs: Annotated[
        list[str], typer.Argument(metavar="SPEC...", help="A schedule's text, or a plan.json.")
    ],
    steps: Annotated[
        int | None, typer.Option("--steps", help="The length of the run, in optimizer updates.")
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Save an image here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw one or several schedules in the terminal, or into an image.

    [dim]learnrate show "3e-4 * warmup(5%) >> cosine(floor=0.1)" --steps 2000[/dim]
    """
    if steps is not None and steps < 1:
        raise ArgumentError(f"--steps must be a whole number, at least 1; got {steps}.")
    bound = [_bound(spec, steps) for spec in specs]
    if png is not None:
        _save(bound, png)
    if as_json:
        described = [_described(one) for one in bound]
        print_json(described[0] if len(described) == 1 else {"schedules": described})
    elif png is None:
        from learnrate.report import show_schedules  # noqa: PLC0415 - not for --json

        show_schedules(console(), [(str(one), one.table()) for one in bound])
    else:
        typer.echo(f"image  {png}")


def _bound(spec: str, steps: int | None) -> Schedule:
    from learnrate.schedules import schedule  # noqa: PLC0415 - loads numpy

    if spec.endswith(".json"):
        from learnrate.planning import Plan  # noqa: PLC0415 - loads torch

        found = Plan.read(spec).schedule
    else:
        found = schedule(spec)
    if steps is not None:
        return found.over(steps)
    if found.total is None:
        raise ArgumentError(
            f"{spec!r} has no length of its own; say how long the run is with --steps N."
        )
    return found


def _described(one: Schedule) -> dict[str, Any]:
    return {"schedule": str(one), "total": one.total, "lr": one.table().tolist()}


def _save(bound: list[Schedule], png: Path) -> None:
    from learnrate._axes import draw_schedules  # noqa: PLC0415 - loads matplotlib

    axes = draw_schedules([(str(one), one.table()) for one in bound])
    save_picture(axes.figure, png)
