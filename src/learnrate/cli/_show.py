"""`learnrate show`: draw schedules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from learnrate._errors import ArgumentError
from learnrate.cli._common import console, print_json, save_picture
from learnrate.cli._options import WHOLE, JsonOption, PictureOption, StoreOption, output_file
from learnrate.cli._predict import law_of

if TYPE_CHECKING:
    from learnrate.schedules import Schedule

__all__ = ["show"]


def show(
    specs: Annotated[
        list[str], Argument(metavar="SPEC...", help="The text of a schedule, or a plan.json.")
    ],
    total_steps: Annotated[
        int | None,
        Option("--total-steps", help="Length of the run, in optimizer updates.", **WHOLE),
    ] = None,
    png: PictureOption = None,
    html: Annotated[
        Path | None, Option(help="Save a web page to this file.", callback=output_file)
    ] = None,
    predict: Annotated[
        list[str] | None,
        Option(
            metavar="RUN",
            help="Predict the losses under these schedules from this run: an id, the beginning of "
            "an id, or last. May be repeated for further runs of the same task.",
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw one or several schedules in the terminal, an image or a web page.

    With --predict, their expected losses are drawn too, with an interval. They are predicted from
    stored runs of the same task whose peaks lie within a factor of 2. The default length is the
    first run's.

    [dim]learnrate show "3e-4 * warmup(5%) >> cosine(floor=0.1)" --total-steps 2000[/dim]

    [dim]learnrate show "1e-3 * linear()" --predict last[/dim]
    """
    if total_steps is not None and total_steps < 1:
        raise ArgumentError(
            f"--total-steps must be a whole number, at least 1; got {total_steps}."
        )
    if store is not None and not predict:
        raise ArgumentError(f"--store {store} needs --predict RUN, the run to learn from.")
    law = law_of(predict, store) if predict else None
    length = None if law is None else len(law.curves[0].lr)
    schedules = [_bound(spec, total_steps, length) for spec in specs]
    drawn = [(str(schedule), schedule.table()) for schedule in schedules]
    predictions = [] if law is None else [law.predict(schedule) for schedule in schedules]
    if png is not None:
        from learnrate._axes import draw_schedules  # noqa: PLC0415 - loads matplotlib

        figure = draw_schedules(drawn).figure if law is None else law.plot(predictions)
        save_picture(figure, png)
    if html is not None:
        from learnrate._files import write_text  # noqa: PLC0415
        from learnrate.report import schedules_page  # noqa: PLC0415

        write_text(html, schedules_page(drawn, law, predictions))
    if as_json:
        described = [_described(schedule) for schedule in schedules]
        for document, predicted in zip(described, predictions, strict=False):
            document["predicted"] = predicted.to_dict()
        print_json(described[0] if len(described) == 1 else {"schedules": described})
        return
    from learnrate.report import show_forecast, show_schedules  # noqa: PLC0415 - not for --json

    show_schedules(console(), drawn)
    if law is not None:
        show_forecast(console(), law, predictions)
    for saved in filter(None, (png, html)):
        typer.echo(f"saved {saved}")


def _bound(spec: str, total_steps: int | None, length: int | None) -> Schedule:
    """The schedule of a text or a plan; without a length of its own it takes `length`."""
    from learnrate.schedules import schedule  # noqa: PLC0415 - loads numpy

    if spec.endswith(".json"):
        from learnrate.planning import read_plan  # noqa: PLC0415 - not for a text

        parsed = read_plan(spec).schedule
    else:
        parsed = schedule(spec)
    if total_steps is not None:
        return parsed.over(total_steps)
    if parsed.total_steps is None and length is not None:
        return parsed.over(length)
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
