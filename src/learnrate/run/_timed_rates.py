"""The rates of a run under a schedule that is read by the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate.run._rates import ExternalRates
from learnrate.schedules import Constant
from learnrate.torch_scheduler import Hyperparameter, Stopwatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.optim import Optimizer

    from learnrate.schedules import Deadline

__all__ = ["TimedRates"]


class TimedRates(ExternalRates):
    """Writes the rate of the elapsed time when a step begins; edits change this rate.

    As the rate of a later step is not known, edits act as they do on an external scheduler's.

    Args:
        optimizers: whose groups are set; they keep the ratio that they were built with.
        deadline: the rate by elapsed time.
        stopwatch: counts the seconds of the run.
    """

    def __init__(
        self, optimizers: Sequence[Optimizer], deadline: Deadline, stopwatch: Stopwatch
    ) -> None:
        super().__init__(optimizers)
        self.deadline, self.stopwatch = deadline, stopwatch
        self._share = Hyperparameter("lr", Constant())

    @property
    def ratios(self) -> tuple[float, ...]:
        """The share of each group, as it was built."""
        self._share.add_groups(self._groups())
        return tuple(self._share.ratios)

    def set_step(self, step: int) -> None:
        """Write the rates of this time."""
        super().set_step(step)
        groups, rate = self._groups(), self.deadline(self.stopwatch.elapsed)
        if len(groups) > len(self._share.ratios):
            self._share.add_groups(groups)
        for group, ratio in zip(groups, self._share.ratios, strict=False):
            self._share.write(group, rate * ratio)

    def is_over(self) -> bool:
        """Whether the training has taken the seconds of its deadline."""
        return self.stopwatch.elapsed >= self.deadline.seconds

    def state_dict(self) -> dict[str, Any]:
        """The seconds of training so far, pauses left out."""
        return {"elapsed": self.stopwatch.elapsed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue to count the seconds from a saved state."""
        self.stopwatch.resume(float(state.get("elapsed", 0.0)))

    def _groups(self) -> list[dict[str, Any]]:
        return [group for optimizer in self._optimizers for group in optimizer.param_groups]
