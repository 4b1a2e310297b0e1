"""Measure: what a run measures of its updates, and how often."""

from __future__ import annotations

import math
from dataclasses import dataclass

from learnrate._checks import check_finite, check_whole, refuse
from learnrate.schedules import Schedule, schedule

__all__ = ["Cadence", "Measure"]

_SHARE_OF_TIME = 0.001  # of the run's time, for each measurement
_FIRST_UPDATES = (
    16  # updates that are all measured, so that an overshoot of the first ones is seen
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """The measurements of a run's updates, and how often: `attach(..., measure=Measure(every=10))`.

    Args:
        every: updates from one recorded row to the next, at least 1.
        gradient_every: updates from one measurement of the gradient norm to the next; 0 for none;
            None for the first 16 updates and then as often as 0.1 % of the run's time allows. If
            parameters are split over processes, the norm is not measured, since that would take
            communication; pass it to `run.step`.
        update_every: the same for the update ratio: the norm of the update over the norm of the
            weights, from a sample of at most 65,536 weights.
        path_share: share of the run's time for the path of the weights, from which the rules estimate
            by how much the rate is too high or too low; 0 for none, at most 0.1. Samples of at most
            16,384 weights and their gradients are kept at up to 17 updates, 2 MB. Measured for one
            optimizer whose parameters are not split over processes.
        inspect: whether some updates are inspected for faults of data and training code, such as a
            forgotten zero_grad; see `learnrate.watch`. If `attach` is given a model, its inputs and outputs
            are inspected too.
        clip_norm: clip the gradient to this norm before every update, as `clip_grad_norm_` does,
            and record its norm before clipping. If you clip the gradient yourself, leave this at
            None and call `run.step(loss, gradient_norm=...)`.
        watch: whether the rules of `learnrate.watch` read what is recorded, in the recorder's
            thread. Their findings are in `run.findings` and in the store.
        planned: the schedule that the rates should follow, or its text form, if `attach` is called
            with `schedule=None`; without a length of its own it fills `total_steps`. It is recorded,
            and the rules compare the rates with it, as `learnrate diagnose --schedule` does.

    Raises:
        ArgumentError: a value is outside its rule.
        ScheduleError: the text of `planned` cannot be read.
    """

    every: int = 1
    gradient_every: int | None = None
    update_every: int | None = None
    path_share: float = 0.01
    inspect: bool = True
    clip_norm: float | None = None
    watch: bool = True
    planned: Schedule | str | None = None

    def __post_init__(self) -> None:
        check_whole("Measure", "every", self.every, 1)
        for name in ("gradient_every", "update_every"):
            if getattr(self, name) is not None:
                check_whole("Measure", name, getattr(self, name), 0)
        check_finite("Measure", "path_share", self.path_share)
        if not 0 <= self.path_share <= 0.1:
            refuse("Measure", "path_share", "from 0 to 0.1", self.path_share)
        if self.clip_norm is not None:
            check_finite("Measure", "clip_norm", self.clip_norm)
            if self.clip_norm <= 0:
                refuse("Measure", "clip_norm", "above 0", self.clip_norm)
        if isinstance(self.planned, str):
            object.__setattr__(self, "planned", schedule(self.planned))
        elif self.planned is not None and not isinstance(self.planned, Schedule):
            refuse("Measure", "planned", "a schedule, its text, or None", self.planned)

    def planned_over(self, total_steps: int | None) -> Schedule | None:
        """The schedule that the rates should follow, over the whole run; None if there is none.

        Args:
            total_steps: updates of the whole run, or None.

        Raises:
            ArgumentError: it has no length, and that of the run is not known.
        """
        planned = self.planned
        assert not isinstance(planned, str)  # noqa: S101 - it was read
        if planned is None or planned.ready:
            return planned
        if total_steps is None:
            way_out = "Give attach(total_steps=...), the updates of the whole run."
            refuse("Measure", "planned", "of a known length", str(planned), way_out)
        return planned.over(total_steps)


class Cadence:
    """When to measure: at every n-th update, or as often as a share of the run's time allows.

    Args:
        every: updates from one measurement to the next; 0 for none; None for as often as the
            share allows.
    """

    def __init__(self, every: int | None) -> None:
        self._every = every
        self._next = math.inf if every == 0 else -math.inf
        self._first_left = _FIRST_UPDATES

    def is_due(self, step: int) -> bool:
        """Whether to measure the update of a step."""
        return step % self._every == 0 if self._every else step >= self._next

    def due_after(self, step: int) -> float:
        """The next step after one that is due, as far as is known."""
        if self._every:
            return (step // self._every + 1) * self._every
        return max(step + 1, self._next)

    def add_cost(self, step: int, seconds: float, update_seconds: float | None) -> None:
        """Note what a measurement cost.

        Args:
            step: the step of the measured update.
            seconds: the measurement took.
            update_seconds: a whole update takes; None if it is not known yet.
        """
        self._first_left -= 1
        if self._every is None and update_seconds is not None and self._first_left < 1:
            ratio = seconds / (_SHARE_OF_TIME * max(update_seconds, 1e-9))
            self._next = step + max(1, math.ceil(ratio))

    def stop(self) -> None:
        """Stop measuring."""
        self._every, self._next = 0, math.inf
