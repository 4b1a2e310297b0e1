"""Which series of a log is the loss, the rate, the validation loss: named, or guessed."""

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
_PER_EPOCH = re.compile(r"(^|[^a-z])epoch([^a-z]|$)")


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names that a log uses; None is guessed, and a guess that is not clear is refused.

    Attributes:
        step: of the column with the step, in tables.
        loss: of the training loss.
        lr: of the rate.
        validation: of the validation loss.
        gradient_norm: of the gradient's norm before clipping.
        update_ratio: of the norm of the update over that of the parameters.
        clipped: of the share of updates clipped.
        seconds: of the time an update took.
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
        """The series of a log by the column that they are; a rate may have several.

        Raises:
            FileError: a name given is not in the log, or it is not clear which series is the loss.

        Examples:
            >>> Names().columns(["train/loss", "val/loss", "lr-SGD/pg1", "lr-SGD/pg2"], "a log")
            {'loss': ['train/loss'], 'lr': ['lr-SGD/pg1', 'lr-SGD/pg2'], 'validation': ['val/loss']}
        """
        found: dict[str, list[str]] = {}
        for one in fields(self):
            if one.name == "step":
                continue
            given = getattr(self, one.name)
            if given is None:
                found[one.name] = (
                    _loss(series, where) if one.name == "loss" else _GUESSES[one.name](series)
                )
            elif given in series:
                found[one.name] = [given]
            else:
                raise FileError(
                    f"{where} has no series {given!r} (--{one.name.replace('_', '-')}); "
                    f"it has {_listed(series)}."
                )
        if not found["loss"] and not found["lr"]:
            raise FileError(
                f"{where} has no series that looks like a loss or a rate; it has "
                f"{_listed(series)}. Name one with --loss NAME."
            )
        return {name: held for name, held in found.items() if held}


def step_name(header: list[str], names: Names, where: str) -> str | None:
    """The column of a table that counts steps, or else epochs; None where there is none.

    Raises:
        FileError: the name given is not in the table.
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
    held = [
        name
        for name in series
        if _LOSS.search(name.lower()) and not _VALIDATION.search(name.lower())
    ]
    exact = [name for name in held if name.lower() in {"loss", "train_loss", "train/loss"}]
    training = [name for name in held if _TRAINING.search(name.lower())]
    for found in (exact, training, held):
        steps = [name for name in found if not _PER_EPOCH.search(name.lower())] or found
        whole = [name for name in steps if re.search(r"(^|[^a-z])total([^a-z]|$)", name.lower())]
        for narrowed in (steps, whole):
            if len(narrowed) == 1:
                return narrowed
    if held:
        raise FileError(
            f"{where} has several series that may be the training loss: {_listed(held)}. "
            "Name one with --loss NAME."
        )
    return []


def _validation(series: list[str]) -> list[str]:
    held = [
        name for name in series if _LOSS.search(name.lower()) and _VALIDATION.search(name.lower())
    ]
    for mark in ("val", "eval"):
        narrowed = [name for name in held if mark in name.lower()]
        if narrowed:
            held = narrowed
            break
    whole = [name for name in held if not re.search(r"test", name.lower())] or held
    shortest = sorted(whole, key=lambda name: (not _PER_EPOCH.search(name.lower()), len(name)))
    return shortest[:1]


def _rate(series: list[str]) -> list[str]:
    return [name for name in series if _RATE.search(name.lower())]


def _norm(series: list[str]) -> list[str]:
    held = [name for name in series if _NORM.search(name.lower()) or name == "gradient_norm"]
    return sorted(held, key=len)[:1]


_GUESSES: dict[str, Callable[[list[str]], list[str]]] = {
    "lr": _rate,
    "validation": _validation,
    "gradient_norm": _norm,
    "update_ratio": lambda series: [one for one in series if one == "update_ratio"],
    "clipped": lambda series: [one for one in series if one == "clipped"],
    "seconds": lambda series: [one for one in series if one == "seconds"],
}
