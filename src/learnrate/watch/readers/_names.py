"""Which series of a log is the loss, the rate or the validation loss, named or guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from learnrate._errors import FileError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["STEP_NAMES", "Names", "step_name"]

STEP_NAMES = ("step", "global_step", "steps", "iteration", "iter", "update", "updates", "batch")
_EPOCH_NAMES = ("epoch", "epochs")
_RATE = re.compile(r"(^|[^a-z])(lr|learning[ _-]?rate)([^a-z]|$)")
_VALIDATION = re.compile(r"(^|[^a-z])(val|valid|validation|eval|evaluation|test|dev)([^a-z]|$)")
_TRAINING = re.compile(r"(^|[^a-z])(train|training|batch)([^a-z]|$)")
_LOSS = re.compile(r"(^|[^a-z])(loss|nll|cross[ _-]?entropy)([^a-z]|$)")
_NORM = re.compile(r"(^|[^a-z])grad(ient|ients|s)?[ _/.-]*(total[ _-]?)?norm([^a-z]|$)")
_TOTAL = re.compile(r"(^|[^a-z])total([^a-z]|$)")
_PER_EPOCH = re.compile(r"(^|[^a-z])epoch([^a-z]|$)")


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of the series in a log. A name of None is guessed; an unclear guess is refused.

    Attributes:
        step: the column with the step, in tables.
        loss: the training loss.
        lr: the learning rate.
        validation: the validation loss.
        gradient_norm: the norm of the gradient before clipping.
        update_ratio: the norm of the update over that of the parameters.
        clipped: the share of updates whose gradient was clipped.
        seconds: the seconds per update.
    """

    step: str | None = None
    loss: str | None = None
    lr: str | None = None
    validation: str | None = None
    gradient_norm: str | None = None
    update_ratio: str | None = None
    clipped: str | None = None
    seconds: str | None = None

    def columns(self, series: list[str], where: str) -> dict[str, list[str]]:
        """The series of a log for each column; a rate may have several.

        Args:
            series: the names of all series in the log.
            where: the log, for messages.

        Raises:
            FileError: a given name is not in the log, or it is not clear which series is the loss.

        Examples:
            >>> Names().columns(["train/loss", "val/loss", "lr-SGD/pg1", "lr-SGD/pg2"], "a log")
            {'loss': ['train/loss'], 'lr': ['lr-SGD/pg1', 'lr-SGD/pg2'], 'validation': ['val/loss']}
        """
        columns: dict[str, list[str]] = {}
        for column in (field.name for field in fields(self) if field.name != "step"):
            name = getattr(self, column)
            if name is None:
                columns[column] = (
                    _loss(series, where) if column == "loss" else _GUESSES[column](series)
                )
            elif name in series:
                columns[column] = [name]
            else:
                raise FileError(
                    f"{where} has no series {name!r} (--{column.replace('_', '-')}); "
                    f"it has {_listed(series)}."
                )
        if not columns["loss"] and not columns["lr"]:
            raise FileError(
                f"{where} has no series that looks like a loss or a rate; it has "
                f"{_listed(series)}. Name one with --loss NAME."
            )
        return {column: matches for column, matches in columns.items() if matches}


def step_name(header: list[str], names: Names, where: str) -> str | None:
    """The column of a table that counts steps, or else epochs; None if there is none.

    Args:
        header: the names of all columns.
        names: the names that were given.
        where: the table, for messages.

    Raises:
        FileError: the given name is not in the table.
    """
    if names.step is not None:
        if names.step not in header:
            raise FileError(
                f"{where} has no column {names.step!r} (--step); it has {_listed(header)}."
            )
        return names.step
    lower = {name.strip().lower().lstrip("_"): name for name in reversed(header)}
    return next((lower[name] for name in (*STEP_NAMES, *_EPOCH_NAMES) if name in lower), None)


def _listed(series: list[str]) -> str:
    shown = ", ".join(repr(name) for name in series[:12]) or "none"
    return f"{shown}, and {len(series) - 12} more" if len(series) > 12 else shown


def _loss(series: list[str], where: str) -> list[str]:
    losses = [
        name
        for name in series
        if _LOSS.search(name.lower()) and not _VALIDATION.search(name.lower())
    ]
    exact = [name for name in losses if name.lower() in {"loss", "train_loss", "train/loss"}]
    training = [name for name in losses if _TRAINING.search(name.lower())]
    for candidates in (exact, training, losses):
        per_step = [name for name in candidates if not _PER_EPOCH.search(name.lower())]
        per_step = per_step or candidates
        totals = [name for name in per_step if _TOTAL.search(name.lower())]
        for matches in (per_step, totals):
            if len(matches) == 1:
                return matches
    if losses:
        raise FileError(
            f"{where} has several series that may be the training loss: {_listed(losses)}. "
            "Name one with --loss NAME."
        )
    return []


def _validation(series: list[str]) -> list[str]:
    losses = [
        name for name in series if _LOSS.search(name.lower()) and _VALIDATION.search(name.lower())
    ]
    losses = [name for name in losses if "val" in name.lower()] or losses
    losses = [name for name in losses if "test" not in name.lower()] or losses
    return sorted(losses, key=lambda name: (not _PER_EPOCH.search(name.lower()), len(name)))[:1]


def _rate(series: list[str]) -> list[str]:
    return [name for name in series if _RATE.search(name.lower())]


def _norm(series: list[str]) -> list[str]:
    norms = [name for name in series if _NORM.search(name.lower()) or name == "gradient_norm"]
    return sorted(norms, key=len)[:1]


def _exactly(column: str) -> Callable[[list[str]], list[str]]:
    return lambda series: [name for name in series if name == column]


_GUESSES: dict[str, Callable[[list[str]], list[str]]] = {
    "lr": _rate,
    "validation": _validation,
    "gradient_norm": _norm,
    "update_ratio": _exactly("update_ratio"),
    "clipped": _exactly("clipped"),
    "seconds": _exactly("seconds"),
}
