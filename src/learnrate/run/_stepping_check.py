"""Whether a torch scheduler is stepped as often as the argument `every` of `attach` says."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING
from weakref import ref

from learnrate.torch_scheduler import position

if TYPE_CHECKING:
    from torch.optim.lr_scheduler import LRScheduler

__all__ = ["SteppingCheck"]

_SLACK = 0.1  # of the updates between two calls: the last batch of an epoch may be dropped


class SteppingCheck:
    """Compares the calls of a scheduler's own `step()`, if the loop still makes them, with `every`.

    Args:
        scheduler: the scheduler that was adopted.
        every: updates between two calls, as given to `attach`.
        step: index of the update about to happen.
    """

    def __init__(self, scheduler: LRScheduler, every: int, step: int) -> None:
        self._scheduler = ref(scheduler)
        self._every = every
        self._step, self._calls = step, position(scheduler)
        self._is_first = True

    def check(self, step: int) -> bool:
        """Warn if the scheduler was called after another number of updates; False if that ends the check.

        Args:
            step: index of the update about to happen.
        """
        scheduler = self._scheduler()
        if scheduler is None:
            return False
        calls = position(scheduler)
        if calls == self._calls:
            return True
        updates, expected = step - self._step, self._every * (calls - self._calls)
        slack = max(1.0, _SLACK * abs(expected))
        # A run may begin within an epoch, so that the first call comes early.
        differs = updates - expected > slack or (not self._is_first and expected - updates > slack)
        if differs and calls > self._calls:
            count = round(updates / (calls - self._calls))
            warnings.warn(
                f"this {type(scheduler).__name__} was stepped after about {count:,} updates, "
                f"but attach expects one step after every {self._every:,}, so the run has other rates than "
                "the loop intends. Pass attach(every=...), the number of updates between two steps of the "
                "scheduler: len(loader) if it is stepped once an epoch.",
                UserWarning,
                stacklevel=4,
            )
            return False
        self._step, self._calls, self._is_first = step, calls, False
        return True
