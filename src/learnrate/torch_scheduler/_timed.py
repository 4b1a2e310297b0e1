"""A schedule by the clock as a scheduler of torch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import LRScheduler

from learnrate._errors import ArgumentError
from learnrate.torch_scheduler._hyperparameter import Hyperparameter

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch.optim import Optimizer

    from learnrate.schedules import Deadline

__all__ = ["Stopwatch", "TimedSchedule"]


class Stopwatch:
    """The seconds of a run, those before a resume included.

    Args:
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began, self._before = clock, clock(), 0.0

    @property
    def elapsed(self) -> float:
        """The seconds that the training has run, without pauses between a stop and a resume."""
        return self._before + max(self._clock() - self._began, 0.0)

    def resume(self, elapsed: float) -> None:
        """Continue to count from the seconds of a saved run."""
        self._before, self._began = elapsed, self._clock()


class TimedSchedule(LRScheduler):
    """The result of `to_torch` for a `Deadline`: each `step()` reads the clock.

    The clock starts when the scheduler is made. `state_dict` has the seconds so far.

    Args:
        optimizer: whose rates are set; groups keep the ratio that they were built with.
        deadline: the rate by elapsed time.
        step: 0-based index of the update about to happen.
        stopwatch: counts the seconds.
    """

    def __init__(
        self, optimizer: Optimizer, deadline: Deadline, step: int, stopwatch: Stopwatch
    ) -> None:
        self.deadline, self.stopwatch = deadline, stopwatch
        self._share = Hyperparameter("lr", deadline.schedule)
        self._share.add_groups(optimizer.param_groups)
        super().__init__(optimizer, step - 1)

    def get_lr(self) -> list[float | torch.Tensor]:
        """The rate of each group at this time."""
        if len(self.optimizer.param_groups) > len(self._share.ratios):
            self._share.add_groups(self.optimizer.param_groups)
        rate = self.deadline(self.stopwatch.elapsed)
        return [rate * ratio for ratio in self._share.ratios]

    def state_dict(self) -> dict[str, Any]:
        """The step and the seconds so far."""
        return {"last_epoch": self.last_epoch, "elapsed": self.stopwatch.elapsed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue to count the seconds from a saved state.

        Args:
            state_dict: the result of `state_dict`.

        Raises:
            ArgumentError: it has no `elapsed`.
        """
        if not isinstance(state_dict.get("elapsed"), int | float):
            raise ArgumentError(
                "load_state_dict(state_dict=...) must have the seconds 'elapsed'; got the keys "
                f"{sorted(state_dict)}."
            )
        self.stopwatch.resume(float(state_dict["elapsed"]))
        self.last_epoch = state_dict["last_epoch"] - 1
        self.step()
