"""Keras 3: schedules as Keras learning-rate schedules, on any of its backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import ArgumentError, needing
from learnrate.integrations._check import bound_schedule
from learnrate.schedules import schedule as read

with needing("keras", "keras", "learnrate.integrations.keras"):
    import keras

if TYPE_CHECKING:
    from learnrate.schedules import Schedule

__all__ = ["KerasSchedule", "to_keras"]


def to_keras(
    schedule: Schedule, total_steps: int | None = None, *, accumulate: int = 1
) -> KerasSchedule:
    """A Keras learning-rate schedule, for `keras.optimizers.Adam(to_keras(schedule))`.

    It is saved with the model, as text; import this module before you load such a model. The
    rates are computed in advance, in a table of 4 bytes for each step (in Keras's float type).

    Args:
        schedule: The rate of each step. After its end it stays at its last value.
        total_steps: Steps to bind it to, if it is not bound yet.
        accumulate: The optimizer's `gradient_accumulation_steps`. Keras passes the count of
            micro-batches to its schedules; a step here is an update.

    Raises:
        ArgumentError: The schedule is not bound and no `total_steps` is given, or `accumulate`
            is below 1.
    """
    bound = bound_schedule("to_keras(schedule=...)", schedule, total_steps)
    return KerasSchedule(bound, accumulate)


@keras.saving.register_keras_serializable(package="learnrate")
class KerasSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learnrate schedule as Keras calls and saves it; made by `to_keras`.

    Args:
        schedule: The rate of each step, or its text.
        accumulate: The optimizer's `gradient_accumulation_steps`.
        first: Updates of the optimizer before step 0 of the schedule.
    """

    def __init__(self, schedule: Schedule | str, accumulate: int = 1, first: int = 0) -> None:
        super().__init__()
        if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
            raise ArgumentError(
                f"to_keras(accumulate=...) must be a whole number of at least 1; got {accumulate!r}."
            )
        self.schedule = read(schedule) if isinstance(schedule, str) else schedule
        self.accumulate, self.first = accumulate, first
        self._last = self.schedule.total_steps or 0
        # Computed here and not in __call__, because a call may be traced.
        table = self.schedule(np.arange(self._last + 1))
        self._table = keras.ops.convert_to_tensor(table, dtype=keras.config.floatx())

    def __call__(self, step: Any) -> Any:
        """The rate of a step, as a tensor of the backend."""
        ops = keras.ops
        index = ops.cast(ops.convert_to_tensor(step), "int32")
        index = ops.floor_divide(index, self.accumulate) - self.first
        index = ops.clip(index, 0, self._last)
        return ops.take(self._table, index)

    def get_config(self) -> dict[str, Any]:
        """The arguments of this schedule, for Keras to save.

        Raises:
            ScheduleError: The schedule holds a function, which has no text form.
        """
        self.schedule.to_json()  # raises if the schedule has no text form
        first = {"first": self.first} if self.first else {}
        return {"schedule": str(self.schedule), "accumulate": self.accumulate, **first}

    def __repr__(self) -> str:
        return f"to_keras({self.schedule!r})"
