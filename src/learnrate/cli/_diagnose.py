"""`learnrate diagnose`: what was wrong with the learning rate, from existing logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from learnrate._errors import ArgumentError, LearnrateError
from learnrate.cli._common import console
from learnrate.cli._options import WHOLE, StoreOption, output_file

if TYPE_CHECKING:
    from learnrate.schedules import Schedule
    from learnrate.watch import Diagnosis, Observations

__all__ = ["diagnose"]

_NAMES = "Names of the series in the log, guessed if they are not given"


def diagnose(
    paths: Annotated[
        list[Path] | None,
        Argument(
            metavar="[PATH]...",
            help="Logs, or folders of logs: a learnrate store, or what another tool wrote, such as "
            "TensorBoard, MLflow, CSV or JSON lines.",
        ),
    ] = None,
    run: Annotated[
        list[str] | None,
        Option(metavar="RUN", help="A run in the store, or last; may be repeated."),
    ] = None,
    store: StoreOption = None,
    only: Annotated[
        list[str] | None, Option(metavar="CODE", help="Run this rule; may be repeated.")
    ] = None,
    ignore: Annotated[
        list[str] | None, Option(metavar="CODE", help="Leave this rule out; may be repeated.")
    ] = None,
    total_steps: Annotated[
        int | None,
        Option(help="Updates of the whole run, if the log does not record them.", **WHOLE),
    ] = None,
    schedule: Annotated[
        str | None,
        Option(metavar="SPEC", help="The schedule that the rate should have followed, as a text."),
    ] = None,
    classes: Annotated[
        int | None, Option(help="Number of classes; sets the chance-level loss.")
    ] = None,
    objective: Annotated[
        str,
        Option(
            metavar="OBJECTIVE",
            help="The kind of objective: descent if the loss should fall. If it does not measure progress: "
            "adversarial (GANs), policy_gradient (PPO, GRPO), temporal_difference (Q-learning), "
            "denoising (diffusion) or contrastive (pairs of a batch).",
        ),
    ] = "descent",
    loss: Annotated[
        str | None,
        Option(
            metavar="NAME",
            rich_help_panel=_NAMES,
            help="The training loss; one in parts is a sum, such as 'a + b'.",
        ),
    ] = None,
    lr: Annotated[
        str | None,
        Option(metavar="NAME", rich_help_panel=_NAMES, help="The learning rate."),
    ] = None,
    validation: Annotated[
        str | None,
        Option(metavar="NAME", rich_help_panel=_NAMES, help="The validation loss."),
    ] = None,
    gradient_norm: Annotated[
        str | None,
        Option(metavar="NAME", rich_help_panel=_NAMES, help="The gradient norm before clipping."),
    ] = None,
    step: Annotated[
        str | None,
        Option(
            metavar="NAME", rich_help_panel=_NAMES, help="The column of the steps, in a table."
        ),
    ] = None,
    html: Annotated[
        Path | None, Option(help="Save an HTML page here.", callback=output_file)
    ] = None,
    reasons: Annotated[
        bool, Option("--reasons", help="List the rules that could not run, and why.")
    ] = False,
    as_json: Annotated[
        bool, Option("--json", help="Print a JSON list of findings and nothing else.")
    ] = False,
) -> None:
    """Report what was wrong with the learning rate in logged runs.

    The exit status is 1 if any finding is an error, for use in CI, and 2 if a PATH cannot be read.

    [dim]learnrate diagnose runs/ lightning_logs/version_3/metrics.csv[/dim]
    """
    if not paths and not run:
        raise ArgumentError(
            "diagnose needs the PATH of a log, or --run RUN for a run in the store; --run last is the "
            "newest run."
        )
    from learnrate.watch import checked_objective  # noqa: PLC0415 - loads numpy
    from learnrate.watch import diagnose as diagnose_run  # noqa: PLC0415 - as above
    from learnrate.watch.readers import Names  # noqa: PLC0415

    names = Names(loss=loss, lr=lr, validation=validation, gradient_norm=gradient_norm, step=step)
    spec = _schedule(schedule, total_steps)
    if classes is not None and classes < 2:
        raise ArgumentError(f"--classes must be at least 2; got {classes}.")
    facts: dict[str, Any] = {} if classes is None else {"classes": classes}
    if checked_objective("--objective", objective) != "descent":
        facts["objective"] = objective
    diagnosed = []
    logs, all_read = _runs(paths or [], names)
    for logged in [*_stored(run or [], store), *logs]:
        observations = _completed(logged, total_steps, spec, facts)
        diagnosis = diagnose_run(observations, only=only or None, ignore=ignore or ())
        diagnosed.append((observations, diagnosis))
    if html is not None:
        from learnrate._files import write_text  # noqa: PLC0415
        from learnrate.report import findings_page  # noqa: PLC0415 - loads plotly

        write_text(html, findings_page(diagnosed))
    if as_json:
        findings = [row for _, diagnosis in diagnosed for row in diagnosis.to_list()]
        typer.echo(json.dumps(findings, allow_nan=False))
    else:
        _show(diagnosed, reasons=reasons)
        if html is not None:
            typer.echo(f"saved {html}")
    if not all_read:
        raise typer.Exit(2)
    raise typer.Exit(int(any(diagnosis.failed for _, diagnosis in diagnosed)))


def _stored(runs: list[str], place: str | None) -> list[Observations]:
    if not runs:
        return []
    from learnrate.steering import observations_as_edited  # noqa: PLC0415 - as below
    from learnrate.store import Store  # noqa: PLC0415 - loads SQLAlchemy

    store = Store(place, create=False)
    return [observations_as_edited(store, store.resolve(run)) for run in runs]


def _runs(paths: list[Path], names: Any) -> tuple[list[Observations], bool]:
    """The runs in some logs, and whether every path could be read."""
    if not paths:
        return [], True
    from learnrate.steering import STORE  # noqa: PLC0415 - loads SQLAlchemy
    from learnrate.watch.readers import READERS, read_runs  # noqa: PLC0415

    def warn(sentence: str) -> None:
        typer.echo(f"learnrate diagnose: left out: {sentence}", err=True)

    runs: list[Observations] = []
    unread: list[LearnrateError] = []
    for path in paths:
        try:
            runs += read_runs(path, names, readers=(STORE, *READERS), problem=warn)
        except LearnrateError as error:
            unread.append(error)
    if unread and not runs:
        for refusal in unread[:-1]:
            warn(str(refusal))
        raise unread[-1]
    for refusal in unread:
        warn(str(refusal))
    return runs, not unread


def _schedule(text: str | None, total_steps: int | None) -> Schedule | None:
    from learnrate.schedules import schedule  # noqa: PLC0415

    if total_steps is not None and total_steps < 1:
        raise ArgumentError(f"--total-steps must be at least 1; got {total_steps}.")
    if text is None:
        return None
    spec = schedule(text)
    return spec if spec.ready or total_steps is None else spec.over(total_steps)


def _completed(
    observations: Observations,
    total_steps: int | None,
    schedule: Schedule | None,
    facts: dict[str, Any],
) -> Observations:
    """A run with what the command line adds to its log."""
    from dataclasses import replace  # noqa: PLC0415

    if total_steps is not None:
        last = int(observations.step[-1]) if observations.step.size else -1
        if last > total_steps:
            raise ArgumentError(
                f"--total-steps must be at least {last:,}, the last step in the log of "
                f"{observations.run}; got {total_steps:,}."
            )
        observations = replace(observations, total_steps=total_steps)
    if schedule is not None:
        if not schedule.ready:
            if observations.total_steps is None:
                raise ArgumentError(
                    f"--schedule {str(schedule)!r} has no length of its own, and the log of "
                    f"{observations.run} does not record the length of the run; add "
                    "--total-steps N."
                )
            schedule = schedule.over(observations.total_steps)
        observations = replace(observations, schedule=schedule)
    if facts:
        observations = replace(observations, facts=dict(observations.facts) | facts)
    return observations


def _show(diagnosed: list[tuple[Observations, Diagnosis]], *, reasons: bool) -> None:
    from learnrate.report import show_findings  # noqa: PLC0415 - not for --json

    screen = console()
    for observations, diagnosis in diagnosed:
        show_findings(screen, observations, diagnosis, reasons=reasons)
