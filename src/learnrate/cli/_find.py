"""`learnrate find`: the range test."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from learnrate.cli._common import console, print_json, reserve_stdout, save_picture
from learnrate.cli._options import JsonOption, PictureOption, SeedOption, TaskArgument

__all__ = ["find"]


def find(
    task: TaskArgument,
    low: Annotated[float, Option(help="The first rate.")] = 1e-10,
    high: Annotated[float, Option(help="The last rate.")] = 10.0,
    iters: Annotated[int, Option(help="The number of rates, one per update.")] = 200,
    mode: Annotated[
        str, Option(help="exponential (equal factors) or linear (equal differences).")
    ] = "exponential",
    repeats: Annotated[int, Option(help="The number of runs, each with its own seed.")] = 3,
    rule: Annotated[
        str | None, Option(help="The rule that suggests: steepest, valley, slide or minimum.")
    ] = None,
    validate: Annotated[
        bool, Option("--validate", help="Measure the validation loss after each update.")
    ] = False,
    seed: SeedOption = 0,
    png: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a range test: a short training at a rate that rises until the loss diverges.

    It is a cheap first look. For a rate to train with, use [bold]learnrate plan[/bold].

    [dim]learnrate find examples/digits.py:task --png find.png[/dim]
    """
    import learnrate  # noqa: PLC0415 - loads torch, which --help does not need

    with reserve_stdout():
        result = learnrate.find(
            learnrate.load_task(task),
            low=low,
            high=high,
            iters=iters,
            mode=mode,
            repeats=repeats,
            rule=rule,
            validate=validate,
            seed=seed,
        )
    if png is not None:
        save_picture(result.plot().figure, png)
    if as_json:
        print_json(result.to_dict())
        return
    from learnrate.report import show_range_test  # noqa: PLC0415 - not for --json

    show_range_test(console(), result)
