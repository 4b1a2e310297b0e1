"""What picks a rate: the interface, and the registry of every method that is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate import Task

    from .cells import Cell

__all__ = ["Method", "Pick", "chosen_methods"]

SEEDS = (1001, 1002, 1003)  # of the methods; none of the truth's


@dataclass(frozen=True)
class Pick:
    """What a method answered.

    Attributes:
        rate: the peak it chose; None where it refused to answer, or needs none.
        cost: updates it made, as a share of a whole run.
        note: why it refused, or its own verdict.
        low: the lower end of its interval, if it states one.
        high: the upper end.
    """

    rate: float | None
    cost: float
    note: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the table.

    Attributes:
        name: its name there.
        version: of the code that picks; a row of another version is measured again.
        pick: picks a rate for a cell's task with a seed. None for a method without one.
        train: for a method that trains without a rate: the loss of a whole run with a seed.
        applies: whether it is meant for a cell.
        seeds: how many picks there are to compare; 1 where no draw has a part in it.
    """

    name: str
    version: str
    pick: Callable[[Cell, Task, int], Pick] | None = None
    train: Callable[[Cell, Task, int], float] | None = None
    applies: Callable[[Cell], bool] = lambda _: True
    seeds: int = len(SEEDS)


def all_methods() -> list[Method]:
    """Every method, in the order of the table."""
    from . import finders, folk, ours, tuners, tuning_free  # noqa: PLC0415 - the peers are slow

    rooms = (ours, finders, folk, tuners, tuning_free)
    return [method for room in rooms for method in room.METHODS]


def chosen_methods(pattern: str) -> list[Method]:
    """The methods whose names hold one of the words, parted by commas; all for none.

    Raises:
        SystemExit: no method does.
    """
    methods = all_methods()
    words = pattern.lower().split(",")
    found = [one for one in methods if any(word in one.name.lower() for word in words)]
    if not found:
        names = "\n".join(one.name for one in methods)
        raise SystemExit(f"no method is called {pattern!r}; there are:\n{names}")
    return found
