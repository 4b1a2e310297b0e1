"""`learnrate alerts`: send findings, and runs that diverged, failed or were lost, to a person."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from learnrate.cli._common import print_json
from learnrate.cli._options import JsonOption, StoreOption

if TYPE_CHECKING:
    from learnrate.alerts import Target

__all__ = ["alerts"]


def alerts(
    webhook: Annotated[
        str | None,
        Option(
            envvar="LEARNRATE_WEBHOOK",
            help="An address that takes a POST request, such as a webhook of Slack or Discord.",
        ),
    ] = None,
    form: Annotated[
        str | None,
        Option("--format", help="slack, discord or json; chosen by the address by default."),
    ] = None,
    command: Annotated[
        str | None, Option(help="A program that gets the alerts as JSON on its standard input.")
    ] = None,
    email: Annotated[str | None, Option(help="Send a mail to this address.")] = None,
    sender: Annotated[
        str, Option(help="The address that mails come from.")
    ] = "learnrate@localhost",
    smtp: Annotated[str, Option(help="The mail server, host or host:port.")] = "localhost",
    severity: Annotated[
        str, Option("--level", help="The lowest severity to send: advice, warning or error.")
    ] = "warning",
    quiet: Annotated[
        str | None,
        Option(
            help="Hours in which nothing is sent, such as 22:00-07:00; their alerts are sent afterwards."
        ),
    ] = None,
    earlier: Annotated[
        bool,
        Option("--earlier", help="At the first start, also send the alerts of earlier findings."),
    ] = False,
    once: Annotated[bool, Option("--once", help="Send what is new, then exit; for cron.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send findings, and runs that diverged, failed or were lost, until Ctrl-C.

    This process sends them, so no training waits. The store records what was sent, so nothing is
    sent twice. Alerts that arise while the command is not running are sent at its next start. The
    first start for a target sends only later alerts.

    [dim]learnrate alerts --webhook https://hooks.slack.com/services/... --quiet 22:00-07:00[/dim]

    [dim]learnrate alerts --email ann@example.org --smtp mail.example.org --level error[/dim]
    """
    from learnrate.alerts import QuietTimes, follow_alerts, send_alerts  # noqa: PLC0415 - SQLAlchemy
    from learnrate.store import Store  # noqa: PLC0415 - SQLAlchemy
    from learnrate.watch import Severity  # noqa: PLC0415 - loads numpy

    if severity not in list(Severity):
        raise typer.BadParameter(
            f"--level must be one of {', '.join(Severity)}; got {severity!r}."
        )
    target = _target(webhook, form, command, email, sender, smtp)
    times = None if quiet is None else QuietTimes.of(quiet)
    opened = Store(store, create=False)
    if once or earlier:
        count = send_alerts(opened, target, severity=severity, quiet=times, earlier=earlier)
        if as_json:
            print_json({"sent": count})
        else:
            typer.echo(f"{count} alert{'' if count == 1 else 's'} sent")
    if not once:
        say = partial(typer.echo, err=True)
        follow_alerts(opened, target, severity=severity, quiet=times, say=say)


def _target(
    webhook: str | None,
    form: str | None,
    command: str | None,
    email: str | None,
    sender: str,
    smtp: str,
) -> Target:
    from learnrate.alerts import AlertFormat, Command, Email, Webhook  # noqa: PLC0415 - SQLAlchemy

    if sum(value is not None for value in (webhook, command, email)) != 1:
        raise typer.BadParameter("Give one of --webhook, --command and --email.")
    if form is not None and (webhook is None or form not in list(AlertFormat)):
        raise typer.BadParameter(
            f"--format must be one of {', '.join(AlertFormat)}, with --webhook; got {form!r}."
        )
    if webhook is not None:
        return Webhook(webhook, None if form is None else AlertFormat(form))
    if command is not None:
        return Command(command)
    return Email(to=str(email), sender=sender, server=smtp)
