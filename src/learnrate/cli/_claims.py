"""`learnrate claims`: statements about learning rates, and the commands that test them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from learnrate._errors import ArgumentError
from learnrate._files import folder_for
from learnrate.cli._common import console, print_json, reserve_stdout, save_picture
from learnrate.cli._options import JsonOption, PictureOption, SeedOption, TotalStepsOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from learnrate.claims import Claim, Outcome
    from learnrate.task import Task

__all__ = ["claims"]

claims = typer.Typer(
    name="claims",
    rich_markup_mode="rich",
    help="Claims about learning rates, each with a test and its verdict.",
)

NameArgument = Annotated[str, Argument(metavar="NAME", help="The name of a claim.")]
ResultsOption = Annotated[
    Path | None,
    Option(
        "--results",
        help="Folder with results of `claims run --out`; by default the package's results.",
        show_default=False,
    ),
]


@claims.callback(invoke_without_command=True)
def list_claims(
    context: typer.Context, results: ResultsOption = None, as_json: JsonOption = False
) -> None:
    """List the claims with their latest verdicts.

    [dim]learnrate claims[/dim]
    """
    if context.invoked_subcommand is not None:
        return
    from learnrate.claims import claims as known  # noqa: PLC0415 - loads torch

    tested = [
        (claim, _stored(claim, results, full=False), _stored(claim, results, full=True))
        for claim in known()
    ]
    if as_json:
        print_json([_summary(claim, quick, full) for claim, quick, full in tested])
        return
    from learnrate.report import show_claims  # noqa: PLC0415 - not for --json

    show_claims(console(), tested)


@claims.command()
def show(name: NameArgument, results: ResultsOption = None, as_json: JsonOption = False) -> None:
    """Show a claim, the design of its test, and the latest result.

    [dim]learnrate claims show adam-3e-4[/dim]
    """
    from learnrate.claims import claim_named  # noqa: PLC0415 - loads torch

    claim = claim_named(name)
    tested = _stored(claim, results)
    if as_json:
        print_json(_summary(claim, None, None) if tested is None else tested.to_dict())
        return
    from learnrate.report import show_claim  # noqa: PLC0415 - not for --json

    show_claim(console(), claim, tested)


@claims.command()
def run(
    names: Annotated[
        list[str], Argument(metavar="NAME...", help="The names of claims, or `all`.")
    ],
    full: Annotated[bool, Option("--full", help="Use more seeds and larger data.")] = False,
    task: Annotated[
        str | None, Option("--task", help="Test on your own task: file.py:name or module:name.")
    ] = None,
    total_steps: TotalStepsOption = None,
    seed: SeedOption = 0,
    out: Annotated[Path | None, Option(help="Store the results in this folder.")] = None,
    png: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Test claims: train, measure, and decide by a rule fixed in advance.

    Several claims are tested at once, one on each core, the longest first.

    [dim]learnrate claims run adam-3e-4 --task my_task.py:task[/dim]
    """
    from learnrate.claims import claim_named, run_claims, write_result  # noqa: PLC0415 - loads torch
    from learnrate.claims import claims as known  # noqa: PLC0415
    from learnrate.report import show_claim  # noqa: PLC0415 - slow to load

    chosen = list(known()) if names == ["all"] else [claim_named(name) for name in names]
    if png is not None and len(chosen) > 1:
        raise ArgumentError(
            f"--png saves the picture of one claim; got {len(chosen)} claims. Name one claim."
        )
    if total_steps is not None and task is None:
        raise ArgumentError(
            "--total-steps sets the length of a run of --task; no task is given. Add --task."
        )
    if out is not None:
        folder_for(out)
    outcomes: list[Outcome] = []
    try:
        own_task = _load(task, total_steps)
        for tested in _quietly(run_claims(chosen, task=own_task, full=full, seed=seed)):
            outcomes.append(tested)
            if out is not None:
                write_result(tested, out)
            if png is not None:
                save_picture(tested.plot(), png)
            if not as_json:
                show_claim(console(), tested.claim, tested)
    except KeyboardInterrupt:
        typer.echo(f"interrupted; {len(outcomes)} of {len(chosen)} claims were tested.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        outcomes.sort(key=lambda tested: chosen.index(tested.claim))
        print_json([tested.to_dict() for tested in outcomes])


def _quietly(tests: Iterator[Outcome]) -> Iterator[Outcome]:
    """The same, with what a user's task prints on standard error."""
    while True:
        with reserve_stdout():
            tested = next(tests, None)
        if tested is None:
            return
        yield tested


def _load(task: str | None, total_steps: int | None) -> Task | None:
    if task is None:
        return None
    from learnrate.task import load_task  # noqa: PLC0415 - loads torch

    with reserve_stdout():
        loaded = load_task(task)
    return loaded if total_steps is None else replace(loaded, total_steps=total_steps)


def _stored(claim: Claim, folder: Path | None, *, full: bool | None = None) -> Outcome | None:
    from learnrate.claims import read_result  # noqa: PLC0415 - loads torch

    return (
        read_result(claim, full=full) if folder is None else read_result(claim, folder, full=full)
    )


def _summary(claim: Claim, quick: Outcome | None, full: Outcome | None) -> dict[str, Any]:
    """The first keys of `run --json`; those that need a test are null if there is none."""
    from learnrate.claims import quick_and_full  # noqa: PLC0415 - loads torch

    tested = full or quick
    result = {} if tested is None else tested.to_dict()
    about = {"name": claim.name, "statement": claim.statement, "source": claim.source}
    measured = ("verdict", "figure", "interval", "seeds", "seconds", "full")
    return (
        about
        | {key: result.get(key) for key in measured}
        | {
            "quick_verdict": None if quick is None else str(quick.verdict),
            "quick_and_full": quick_and_full(quick, full),
        }
    )
