"""`learnrate show`: draw schedules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learnrate._errors import ArgumentError
from learnrate.cli._common import (
    JsonOption,
    console,
    output_file,
    picture_file,
    print_json,
    save_picture,
)

if TYPE_CHECKING:
    from learnrate.schedules import Schedule

__all__ = ["show"]


def show(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="SPEC...", help="The text of a schedule, or a plan.json."),
    ],
    total_steps: Annotated[
        int | None,
        typer.Option("--total-steps", help="Length of the run, in optimizer updates."),
    ] = None,
    png: Annotated[
        Path | None, typer.Option(help="Save the picture to this file.", callback=picture_file)
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Save a web page to this file.", callback=output_file)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw one or several schedules in the terminal, an image or a web page.

    [dim]learnrate show "3e-4 * warmup(5%) >> cosine(floor=0.1)" --total-steps 2000[/dim]
    """
    if total_steps is not None and total_steps < 1:
        raise ArgumentError(
            f"--total-steps must be a whole number, at least 1; got {total_steps}."
        )
    schedules = [_bound(spec, total_steps) for spec in specs]
    drawn = [(str(schedule), schedule.table()) for schedule in schedules]
    if png is not None:
        from learnrate._axes import draw_schedules  # noqa: PLC0415 - loads matplotlib

        save_picture(draw_schedules(drawn).figure, png)
    if html is not None:
        from learnrate._files import write_text  # noqa: PLC0415
        from learnrate.report import schedules_page  # noqa: PLC0415

        write_text(html, schedules_page(drawn))
    if as_json:
        described = [_described(schedule) for schedule in schedules]
        print_json(described[0] if len(described) == 1 else {"schedules": described})
        return
    from learnrate.report import show_schedules  # noqa: PLC0415 - not for --json

    show_schedules(console(), drawn)
    for saved in filter(None, (png, html)):
        typer.echo(f"saved {saved}")


def _bound(spec: str, total_steps: int | None) -> Schedule:
    from learnrate.schedules import schedule  # noqa: PLC0415 - loads numpy

    if spec.endswith(".json"):
        from learnrate.planning import Plan  # noqa: PLC0415 - not for a text

        parsed = Plan.read(spec).schedule
    else:
        parsed = schedule(spec)
    if total_steps is not None:
        return parsed.over(total_steps)
    if parsed.total_steps is None:
        raise ArgumentError(
            f"{spec!r} has no fixed length; give the length of the run with --total-steps N."
        )
    return parsed


def _described(schedule: Schedule) -> dict[str, Any]:
    return {
        "schedule": str(schedule),
        "total_steps": schedule.total_steps,
        "lr": schedule.table().tolist(),
    }
