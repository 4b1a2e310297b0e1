"""`learnrate steer`: change a running job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learnrate.cli._common import JsonOption, StoreOption, print_json

if TYPE_CHECKING:
    from learnrate.store import Store, StoredEdit

__all__ = ["steer"]

_POLL = 0.1  # seconds between looks for the answer


def steer(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run's id, the beginning of one, or last: the newest that runs."
        ),
    ],
    edit: Annotated[
        list[str],
        typer.Argument(
            metavar="EDIT...",
            help="scale F, set LR, hold, release, decay STEPS, stretch TOTAL, follow SCHEDULE, "
            "rollback STEP, snapshot, probe or stop.",
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why; kept with the edit.", show_default=False)] = "",
    group: Annotated[
        int | None,
        typer.Option(help="The parameter group it is for; all by default.", show_default=False),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(help="Of a decay, such as cosine; linear by default.", show_default=False),
    ] = None,
    author: Annotated[
        str | None,
        typer.Option(
            help="Who asks; LEARNRATE_AUTHOR, or who is logged in, by default.", show_default=False
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for the run to take it up; 0 does not wait.")
    ] = 10.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the rate of a running job, by hand: stored first, then taken up by the run.

    The exit status is 1 if the run refused it.

    [dim]learnrate steer last scale 0.5 --reason "the loss is flat"[/dim]
    """
    from learnrate.edits import edit_in  # noqa: PLC0415 - loads SQLAlchemy
    from learnrate.steering import login, request  # noqa: PLC0415
    from learnrate.store import Store  # noqa: PLC0415

    asked = edit_in(edit, shape=shape, group=group, author=author or login(), reason=reason)
    held = Store(store, create=False)
    stored = request(
        held,
        run,
        str(asked.kind),
        asked.value,
        group=group,
        author=asked.author,
        reason=reason,
    )
    answered = _answered(held, stored, wait)
    if as_json:
        print_json(_document(answered))
    else:
        typer.echo(f"{asked.words}: {_said(answered, wait)}")
    if answered.status == "refused":
        typer.echo(f"learnrate steer: {answered.run} refused it: {answered.answer}", err=True)
        raise typer.Exit(1)


def _answered(store: Store, stored: StoredEdit, wait: float) -> StoredEdit:
    """The edit once it is answered, or as it is when the time is over."""
    end = time.monotonic() + wait
    while stored.status == "pending" and time.monotonic() < end:
        time.sleep(_POLL)
        stored = store.edits(stored.run, after=stored.sequence - 1)[0]
    return stored


def _said(stored: StoredEdit, wait: float) -> str:
    if stored.status == "applied":
        answer = f", {stored.answer}" if stored.answer else ""
        return f"{stored.run} took it up at step {stored.step:,}{answer}"
    if stored.status == "refused":
        return f"{stored.run} refused it"
    waited = f" and has not answered within {wait:g} s" if wait else ""
    return f"stored as edit {stored.sequence} of {stored.run}, which takes it up by itself{waited}"


def _document(stored: StoredEdit) -> dict[str, Any]:
    names = ("run", "sequence", "kind", "value", "group", "author", "time", "reason")
    found = {name: getattr(stored, name) for name in names}
    return {**found, "status": str(stored.status), "step": stored.step, "answer": stored.answer}
