"""`learnrate steer`: change a running job."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from learnrate._checks import did_you_mean
from learnrate._errors import ArgumentError
from learnrate.cli._common import print_json
from learnrate.cli._options import JsonOption, StoreOption

if TYPE_CHECKING:
    from learnrate.store import Store, StoredEdit

__all__ = ["STEER_SETTINGS", "steer"]

STEER_SETTINGS = {
    "ignore_unknown_options": True
}  # so that -0.5 is a value, which the edit refuses
_OPTION = re.compile("--?[A-Za-z]")
_POLL = 0.1  # seconds between checks for the answer


def steer(
    context: typer.Context,
    run: Annotated[
        str,
        Argument(
            metavar="RUN",
            help="The id of a run, its beginning, or last for the newest that is running.",
        ),
    ],
    edit: Annotated[
        list[str],
        Argument(
            metavar="EDIT...",
            help="scale F, set LR, hold, release, decay STEPS, stretch TOTAL_STEPS, follow SCHEDULE, "
            "undo, rollback STEP, snapshot, probe or stop.",
        ),
    ],
    reason: Annotated[str, Option(help="Why; stored with the edit.", show_default=False)] = "",
    group: Annotated[
        int | None, Option(help="Index of the parameter group; all by default.")
    ] = None,
    shape: Annotated[
        str | None, Option(help="The shape of a decay, such as cosine; linear by default.")
    ] = None,
    author: Annotated[
        str | None,
        Option(help="Who makes the edit; LEARNRATE_AUTHOR or the login name by default."),
    ] = None,
    wait: Annotated[
        float, Option(help="Seconds to wait for the answer of the run; 0 does not wait.")
    ] = 10.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the rate of a running job. The edit is stored first, then the run applies it.

    The exit status is 1 if the run refuses the edit.

    [dim]learnrate steer last scale 0.5 --reason "the loss is flat"[/dim]
    """
    from learnrate.edits import edit_in  # noqa: PLC0415 - loads SQLAlchemy
    from learnrate.steering import login, request  # noqa: PLC0415
    from learnrate.store import Store  # noqa: PLC0415

    _check_options(context, edit)
    requested = edit_in(edit, shape=shape, group=group, author=author or login(), reason=reason)
    opened = Store(store, create=False)
    stored = request(
        opened,
        run,
        str(requested.kind),
        requested.value,
        group=group,
        author=requested.author,
        reason=reason,
    )
    stored = _wait_for_answer(opened, stored, wait)
    if as_json:
        print_json(_document(stored))
    else:
        typer.echo(f"{requested.words}: {_answer_in_words(opened, stored, wait)}")
    if stored.status == "refused":
        typer.echo(f"learnrate steer: {stored.run} refused the edit: {stored.answer}", err=True)
        raise typer.Exit(1)


def _check_options(context: typer.Context, words: list[str]) -> None:
    """Refuse a word of the edit that is a mistyped option.

    Raises:
        ArgumentError: a word is one.
    """
    unknown = next((word for word in words if _OPTION.match(word)), None)
    if unknown is None:
        return
    options = [name for option in context.command.params for name in option.opts if name[0] == "-"]
    hint = did_you_mean(unknown, options)
    raise ArgumentError(
        f"there is no option {unknown}{hint} The options are {', '.join(options)}."
    )


def _wait_for_answer(store: Store, stored: StoredEdit, wait: float) -> StoredEdit:
    """The edit when it is answered, or as it is after the waiting time or the end of the run."""
    end, is_live = time.monotonic() + wait, True
    while stored.status == "pending" and is_live and time.monotonic() < end:
        time.sleep(_POLL)
        is_live = store.run(stored.run).live  # before the edit: a run answers before it ends
        stored = store.edits(stored.run, after=stored.sequence - 1)[0]
    return stored


def _answer_in_words(store: Store, stored: StoredEdit, wait: float) -> str:
    if stored.status == "applied":
        answer = f", {stored.answer}" if stored.answer else ""
        return f"{stored.run} applied it at step {stored.step:,}{answer}"
    if stored.status == "refused":
        return f"{stored.run} refused the edit"
    run = store.run(stored.run)
    if not run.live:
        return f"{run.id} ended ({run.status}) at step {run.step:,} before it read the edit"
    no_answer = f"; no answer within {wait:g} s" if wait else ""
    return f"stored as edit {stored.sequence} of {stored.run}, which will apply it{no_answer}"


def _document(stored: StoredEdit) -> dict[str, Any]:
    names = ("run", "sequence", "kind", "value", "group", "author", "time", "reason")
    document = {name: getattr(stored, name) for name in names}
    answer = {"status": str(stored.status), "step": stored.step, "answer": stored.answer}
    return {**document, **answer}
