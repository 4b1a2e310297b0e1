"""Methods that choose a rate: the interface, and the list of all that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate import Task

    from .cells import Cell

__all__ = ["Method", "Pick", "TrainedRun", "chosen_methods", "fitted_domains"]

SEEDS = (1001, 1002, 1003)  # of the methods; the truth has other seeds

_FIRST_DOMAINS = frozenset({"image classes", "text", "table classes", "fine-tuning"})

_SECOND_DOMAINS = frozenset(
    {
        "graphs",
        "table values",
        "handwriting",
        "segmentation and denoising",
        "contrastive",
        "time series",
    }
)  # their sweeps at several lengths were looked at when the drift's prior was chosen

# The domains whose cells constants of a method were fitted to, by how its name begins. A method whose
# rows are each measured with a fit without their domain has none. Peers were not fitted to any.
_FITTED_TO = {
    "first plan": _FIRST_DOMAINS,
    "plan": _FIRST_DOMAINS | _SECOND_DOMAINS,
    "find": _FIRST_DOMAINS,
}


def fitted_domains(method: str) -> frozenset[str]:
    """The domains that a method was fitted to, by its name."""
    return next(
        (domains for start, domains in _FITTED_TO.items() if method.startswith(f"{start},")),
        frozenset(),
    )


@dataclass(frozen=True)
class Pick:
    """The answer of a method.

    Attributes:
        rate: the peak it chose; None if it gave no answer, or needs no rate.
        cost: updates it made, as a share of a whole run.
        note: why it gave no answer, or its verdict.
        low: the lower end of its interval, if it states one.
        high: the upper end of its interval, if it states one.
        expected: the excess that it expects, as a share of the best loss, if it states one.
    """

    rate: float | None
    cost: float
    note: str = ""
    low: float | None = None
    high: float | None = None
    expected: float | None = None


@dataclass(frozen=True)
class TrainedRun:
    """A run of a method that trains without being given a rate.

    Attributes:
        loss: at its end; infinite if it diverged.
        cost: updates made beside the run, as a share of it.
        note: what it did.
    """

    loss: float
    cost: float = 0.0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the table.

    Attributes:
        name: the name in the table.
        version: of the code that chooses the rate; a row of another version is measured again.
        pick: chooses a rate for a cell's task with a seed. None for a method that trains without a
            rate.
        train: for a method that trains without a rate, a whole run with a seed.
        applies: whether the method is meant for a cell.
        seeds: number of picks; 1 if the method is deterministic.
    """

    name: str
    version: str
    pick: Callable[[Cell, Task, int], Pick] | None = None
    train: Callable[[Cell, Task, int], TrainedRun] | None = None
    applies: Callable[[Cell], bool] = lambda _: True
    seeds: int = len(SEEDS)


def all_methods() -> list[Method]:
    """Every method, in the order of the table."""
    from . import (  # noqa: PLC0415 - the peers are slow
        fastai,
        finders,
        folk,
        grids,
        ours,
        smac_tuners,
        syne_tune_tuners,
        tuners,
        tuning_free,
        usual,
    )

    tuning = (tuners, smac_tuners, syne_tune_tuners)
    modules = (ours, usual, finders, fastai, grids, folk, *tuning, tuning_free)
    return [method for module in modules for method in module.METHODS]


def chosen_methods(pattern: str) -> list[Method]:
    """The methods whose names contain one of the words, separated by commas; all for none.

    Raises:
        SystemExit: no name contains one of the words.
    """
    methods = all_methods()
    words = pattern.lower().split(",")
    chosen = [method for method in methods if any(word in method.name.lower() for word in words)]
    if not chosen:
        names = "\n".join(method.name for method in methods)
        raise SystemExit(f"no method has a name with {pattern!r}; there are:\n{names}")
    return chosen
