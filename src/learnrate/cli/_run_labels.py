"""The options of `learnrate runs` that change the labels of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from learnrate.store import LabelChange, Lifecycle, ListedRun

__all__ = ["changes_of", "lifecycle_option"]


def lifecycle_option(word: str) -> Lifecycle | None:
    """The value of `--lifecycle`; None for all runs."""
    from learnrate.store import Lifecycle  # noqa: PLC0415 - loads SQLAlchemy

    if word == "all":
        return None
    if word not in list(Lifecycle):
        words = ", ".join(Lifecycle)
        raise typer.BadParameter(f"--lifecycle must be one of {words} or all; got {word!r}.")
    return Lifecycle(word)


def changes_of(
    chosen: Sequence[ListedRun], options: Mapping[str, Any], *, is_chosen: bool, purge: bool
) -> list[LabelChange]:
    """The changes of labels that the options request; none if they request none.

    Args:
        chosen: the runs to change.
        options: the options' values by name; None, False or empty if not used.
        is_chosen: whether the user named the runs, or searched for them.
        purge: whether the runs are to be removed for good.

    Raises:
        BadParameter: the user chose no runs, or gave two options of which only one is allowed.
    """
    from learnrate.store import LabelChange, Lifecycle  # noqa: PLC0415 - loads SQLAlchemy

    used = [name for name, value in options.items() if value not in (None, False, [])]
    if not used and not purge:
        return []
    if not is_chosen:
        raise typer.BadParameter("Name the runs to change, or choose them with --search.")
    moves = [name for name in ("archive", "delete", "restore") if options[name]]
    if len(moves) + purge > 1 or (purge and used):
        raise typer.BadParameter(
            "Give only one of --archive, --delete, --restore and --purge; --purge allows no other label."
        )
    lifecycle = {
        "archive": Lifecycle.ARCHIVED,
        "delete": Lifecycle.DELETED,
        "restore": Lifecycle.ACTIVE,
    }
    if purge:
        return []
    return [
        LabelChange(
            run=listed_run.run.id,
            name=options["name"],
            pinned=options["pinned"],
            note=options["note"],
            tags=_tags(listed_run.run.tags, options["tag"] or (), options["untag"] or ()),
            lifecycle=lifecycle[moves[0]] if moves else None,
        )
        for listed_run in chosen
    ]


def _tags(
    tags: tuple[str, ...], added: Sequence[str], removed: Sequence[str]
) -> tuple[str, ...] | None:
    if not added and not removed:
        return None
    return tuple(tag for tag in dict.fromkeys([*tags, *added]) if tag not in removed)
