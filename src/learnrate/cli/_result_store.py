"""Options and functions of the commands that keep their results in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from learnrate._errors import ArgumentError
from learnrate.cli._options import pairs_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from learnrate.task import Task

__all__ = ["FactsOption", "KeepOption", "check_kept", "keep"]

KeepOption = Annotated[
    str | None,
    Option(
        "--store",
        help="Also save the result to this store, a file or postgresql:// URL, for learnrate scale and "
        "learnrate plan --like.",
        show_default=False,
    ),
]
FactsOption = Annotated[
    str,
    Option(
        "--facts",
        metavar="NAME=VALUE,...",
        help="With --store: numbers to store with the result, such as width=64. N (parameters) and B "
        "(examples per update) are always stored.",
        show_default=False,
    ),
]


def _numbers(facts: str) -> dict[str, float]:
    """The numbers of --facts, by name."""
    pairs = pairs_in("--facts", facts)
    try:
        return {name: float(value) for name, value in pairs.items()}
    except ValueError as error:
        raise ArgumentError(
            f"--facts must be NAME=VALUE with numbers, separated by commas; got {facts!r}."
        ) from error


def keep(
    place: str | None, kind: str, document: Mapping[str, Any], task: Task | None, facts: str
) -> None:
    """Keep a plan or a sweep in a store, with how large the task is.

    Args:
        place: the value of --store; nothing is kept for None.
        kind: "plan" or "sweep".
        document: its JSON values.
        task: what was trained; None if it differs from trial to trial.
        facts: the value of --facts.
    """
    if place is None:
        return
    from learnrate.store import Store  # noqa: PLC0415 - loads SQLAlchemy, which --help does not need
    from learnrate.trials import task_size  # noqa: PLC0415 - loads torch

    size = {} if task is None else task_size(task)
    Store(place).add_document(kind, document, {**size, **_numbers(facts)})


def check_kept(place: str | None, facts: str) -> None:
    """Refuse facts without a store, and a store that cannot be opened, before the work is done.

    Raises:
        ArgumentError: there are facts and no store, or they are not numbers.
        StoreError: the store cannot be opened.
    """
    if place is None and facts:
        raise ArgumentError(f"--facts needs a store to save them in; got {facts!r}. Add --store.")
    _numbers(facts)
    if place is not None:
        from learnrate.store import Store  # noqa: PLC0415

        Store(place)
