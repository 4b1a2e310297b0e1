"""Which series of a log is the loss, the rate or the validation loss, named or guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING

from learnrate._errors import FileError
from learnrate.watch._measured import MEASURED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

__all__ = ["Names", "epoch_name", "is_number_of_interest", "step_names", "total_name", "words_of"]

_STEP_NAMES = (
    "global_step", "global_steps", "current_steps", "current_step", "num_updates", "step", "steps",
    "iteration", "iterations", "iter", "iters", "update", "updates", "n_updates",
    "training_iteration", "optimizer_step", "train_step", "batch", "batch_idx", "batch_index",
)  # fmt: skip
_EPOCH_NAMES = ("epoch", "epochs", "current_epoch", "ep")
_TOTAL_NAMES = (
    "total_steps",
    "max_steps",
    "total_iters",
    "total_iterations",
    "num_training_steps",
)

_CONFIG = {"config", "cfg", "hparams", "hparam", "hyperparameters", "args", "system", "params"}
_VALIDATION = {"val", "valid", "validation", "eval", "evaluation", "test", "dev", "holdout"}
_TRAINING = {"train", "training", "trn", "batch"}
_LOSS = {"loss", "losses", "nll"}
_NO_LOSS = {"scale", "scaler", "weight", "weights", "coef", "mask", "ppl", "perplexity", "acc"}
_NO_LOSS |= {"accuracy", "vs", "count", "time"}
_NO_RATE = {"scale", "mult", "multiplier", "factor", "ratio", "decay", "momentum", "vs", "finder"}
_SECONDARY = {"min", "max", "best", "std", "var", "ema", "smooth", "smoothed", "aux", "running"}
_SECONDARY_RATE = {"initial", "init", "base", "min", "max", "peak", "target", "final", "d", "bias"}
_SECONDARY_RATE |= {"biases"}
_TOTAL = {"total", "sum", "overall", "combined"}
_MEAN = {"avg", "mean", "average"}
_DETECTION = {"box", "bbox", "cls", "dfl", "obj", "seg", "sem", "pose", "kobj", "rle", "giou"}
_DETECTION |= {"angle", "l"}  # `l` is what remains of l1_loss
_GLUED = re.compile(r"\b(train|val|valid|test|eval)(?=loss\b)")
_SUMMARY = 0.1  # a series with less than this share of the rows of another one is its summary


@cache
def words_of(name: str) -> tuple[str, ...]:
    """The words in the name of a series, in lower case.

    Examples:
        >>> words_of("train/learningRate_pg1")
        ('train', 'learning', 'rate', 'pg')
    """
    separated = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return tuple(re.findall(r"[a-z]+", _GLUED.sub(r"\1 ", separated)))


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of the series in a log. A name of None is guessed; an unclear guess is refused.

    A loss that is logged in parts is given as their sum: `loss="train/box_loss + train/cls_loss"`.

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

    def columns(
        self, series: Sequence[str], where: str, rows: Mapping[str, int] | None = None
    ) -> dict[str, list[str]]:
        """The series of a log for each column.

        A rate may have several, one for each parameter group. Several series of a loss are parts,
        whose sum it is.

        Args:
            series: the names of all series in the log.
            where: the log, for messages.
            rows: the number of values in each series, if known.

        Raises:
            FileError: a given name is not in the log, or it is not clear which series is the loss.

        Examples:
            >>> Names().columns(["train/loss", "val/loss", "lr-SGD/pg1", "lr-SGD/pg2"], "a log")
            {'loss': ['train/loss'], 'lr': ['lr-SGD/pg1', 'lr-SGD/pg2'], 'validation': ['val/loss']}
        """
        series = sorted(series)
        columns: dict[str, list[str]] = {}
        for column in (field.name for field in fields(self) if field.name != "step"):
            name = getattr(self, column)
            if name is not None:
                columns[column] = _given(name, series, f"{where} has no series", column)
            elif column == "loss":
                columns[column] = _loss(series, where, rows or {})
            elif column == "validation":
                columns[column] = _validation(series, columns["loss"])
            else:
                columns[column] = _GUESSES[column](series)
        if not columns["loss"] and not columns["lr"]:
            raise FileError(
                f"{where} has no series that looks like a loss or a rate; it has "
                f"{_listed(series)}. Name one with --loss NAME."
            )
        return {column: matches for column, matches in columns.items() if matches}

    def mentions(self, name: str) -> bool:
        """Whether a series was given by its name, alone or as part of a sum."""
        texts = (getattr(self, field.name) for field in fields(self))
        return any(name == text or name in _parts(text) for text in texts if text is not None)


def is_number_of_interest(name: str, names: Names) -> bool:
    """Whether the values of a series may be needed: of all others only the names are.

    Args:
        name: the name of the series.
        names: the names that were given.
    """
    words = set(words_of(name))
    return (
        names.mentions(name)
        or bool(words & _LOSS)
        or bool(words & {"lr", "rate", "learningrate", "entropy", "gnorm", "norm", "value"})
        or _last(name) in {*_STEP_NAMES, *_EPOCH_NAMES, *_TOTAL_NAMES, "attempt"}
        or name in _COLUMN_NAMES
        or name in MEASURED_COLUMNS
    )


def step_names(series: Collection[str], names: Names, where: str) -> list[str]:
    """The series that may count steps, the likeliest first; the given one alone if there is one.

    Args:
        series: the names of all series.
        names: the names that were given.
        where: the log, for messages.

    Raises:
        FileError: the given name is not in the log.
    """
    if names.step is not None:
        return _given(names.step, list(series), f"{where} has no column", "step")
    return [
        name
        for wanted in _STEP_NAMES
        for name in sorted(series, key=len)
        if _last(name) == wanted and not _is_config(name) and not _is_validation(name)
    ]


def epoch_name(series: Collection[str]) -> str | None:
    """The series that counts epochs; None if there is none."""
    return next((name for name in series if _last(name) in _EPOCH_NAMES), None)


def total_name(series: Collection[str]) -> str | None:
    """The series that repeats the length of the run; None if there is none."""
    return next((name for name in series if _last(name) in _TOTAL_NAMES), None)


@cache
def _last(name: str) -> str:
    """The last part of a name with slashes, in lower case, words joined by underscores."""
    separated = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.rsplit("/", 1)[-1].strip())
    return re.sub(r"[ -]", "_", separated.lower().strip("_"))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(" + ")]


def _given(name: str, series: list[str], complaint: str, column: str) -> list[str]:
    wanted = [name] if name in series else _parts(name)
    for part in wanted:
        if part not in series:
            raise FileError(
                f"{complaint} {part!r} (--{column.replace('_', '-')}); it has {_listed(series)}."
            )
    return wanted


def _listed(series: list[str]) -> str:
    shown = ", ".join(repr(name) for name in series[:12]) or "none"
    return f"{shown}, and {len(series) - 12} more" if len(series) > 12 else shown


def _is_config(name: str) -> bool:
    words = words_of(name)
    return len(words) > 1 and words[0] in _CONFIG and not name.lower().startswith("params_")


def _is_validation(name: str) -> bool:
    return bool(_VALIDATION & set(words_of(name)))


def _is_loss(name: str) -> bool:
    words = words_of(name)
    says_loss = bool(_LOSS & set(words)) or "cross entropy" in " ".join(words)
    return says_loss and not _NO_LOSS & set(words) and not _is_config(name)


def _without(names: list[str], words: set[str]) -> list[str]:
    """The names without any of some words; all if each has one."""
    return [name for name in names if not words & set(words_of(name))] or names


def _with(names: list[str], words: set[str]) -> list[str]:
    """The names with any of some words; all if none has one."""
    return [name for name in names if words & set(words_of(name))] or names


def _loss(series: list[str], where: str, rows: Mapping[str, int]) -> list[str]:
    losses = [name for name in series if _is_loss(name) and not _is_validation(name)]
    most = max((rows.get(name, 0) for name in losses), default=0)
    losses = [name for name in losses if rows.get(name, most) > _SUMMARY * most] or losses
    if len(losses) < 2:
        return losses
    plain = [
        name for name in losses if not set(words_of(name)) - _LOSS - _TRAINING - {"step", "epoch"}
    ]
    training = [name for name in losses if _TRAINING & set(words_of(name))]
    for candidates in filter(None, (plain, training, losses)):
        primary = _without(_without(candidates, {"epoch"}), _SECONDARY)
        most = max(rows.get(name, 0) for name in primary)
        primary = [name for name in primary if 2 * rows.get(name, most) > most] or primary
        for words in (set[str](), {"current"}, _TOTAL, _MEAN, _TRAINING):
            matches = _with(primary, words) if words else primary
            if len(matches) == 1:
                return matches
    if all(set(words_of(name)) - _LOSS - _TRAINING <= _DETECTION for name in losses):
        return losses
    raise FileError(
        f"{where} has several series that may be the training loss: {_listed(losses)}. "
        f'Name one with --loss NAME, or their sum with --loss "{losses[0]} + {losses[1]}".'
    )


def _validation(series: list[str], loss: list[str]) -> list[str]:
    if "validation" in series:
        return ["validation"]
    losses = [name for name in series if _is_loss(name) and _is_validation(name)]
    losses = _without(_without(losses, {"test"}), _SECONDARY)
    counterparts = [[name for name in losses if _kind(name) == _kind(part)] for part in loss]
    if counterparts and all(counterparts):
        return [min(matches, key=_validation_order) for matches in counterparts]
    losses = _with(losses, {"val", "valid", "validation"})
    return sorted(losses, key=_validation_order)[:1]


def _validation_order(name: str) -> tuple[bool, int]:
    return "epoch" not in words_of(name), len(name)


def _kind(name: str) -> frozenset[str]:
    """The subject of a loss: its words without the words for training, validation and frequency."""
    return frozenset(words_of(name)) - _TRAINING - _VALIDATION - {"step", "epoch", "global", "avg"}


def _rates(series: list[str]) -> list[str]:
    if "lr" in series:
        return ["lr"]
    rates = [
        name
        for name in series
        if re.search(r"\b(lr|learning ?rate)\b", " ".join(words_of(name)))
        and not _NO_RATE & set(words_of(name))
        and not _is_config(name)
    ]
    rates = _without(_without(rates, _SECONDARY_RATE), _VALIDATION)
    plain = [
        name
        for name in rates
        if set(words_of(name)) <= {"train", "lr", "learning", "rate"}
        and not re.search(r"\d", name)
    ]
    return plain[:1] or rates


def _norms(series: list[str]) -> list[str]:
    norms = []
    for name in series:
        text = " ".join(words_of(name))
        if name == "gradient_norm" or re.search(
            r"\b(gnorm|gradnorm|grad(ient|ients|s)? (total )?norm)\b", text
        ):
            norms.append(name)
    norms = _without(norms, {"vs", "clipped", "after", "min", "std", "scale"})
    return sorted(norms, key=len)[:1]


def _named(column: str) -> Callable[[list[str]], list[str]]:
    return lambda series: [name for name in series if name == column]


_GUESSES: dict[str, Callable[[list[str]], list[str]]] = {
    "lr": _rates,
    "gradient_norm": _norms,
    "update_ratio": _named("update_ratio"),
    "clipped": _named("clipped"),
    "seconds": _named("seconds"),
}
_COLUMN_NAMES = {field.name for field in fields(Names)}
