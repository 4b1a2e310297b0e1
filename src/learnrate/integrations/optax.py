"""Optax and JAX: schedules as functions of a traced step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import needing
from learnrate.integrations._check import bound_schedule

with needing("jax", "optax", "learnrate.integrations.optax"):
    import jax

import jax.numpy as jnp

if TYPE_CHECKING:
    from learnrate.schedules import Schedule

__all__ = ["OptaxSchedule", "to_optax"]


def to_optax(schedule: Schedule, total_steps: int | None = None) -> OptaxSchedule:
    """An optax schedule, for `optax.adamw(to_optax(schedule))` and wherever optax takes one.

    It works under jit, vmap and scan. The rates are computed in advance, in a table: an update
    costs one gather, and each compiled program that uses the table holds 4 bytes for each step
    (8 if 64-bit numbers are enabled), so 4 MB for a million steps. The rates are rounded to the
    float type that JAX is set to when the schedule is traced.

    Args:
        schedule: The rate of each step. After its end it stays at its last value.
        total_steps: Steps to bind it to, if it is not bound yet.

    Raises:
        ArgumentError: The schedule is not bound and no `total_steps` is given.
    """
    return OptaxSchedule(bound_schedule("to_optax(schedule=...)", schedule, total_steps))


class OptaxSchedule:
    """A function from a step, or an array of steps, to rates; made by `to_optax`."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._last = schedule.total_steps or 0
        self._table = schedule(np.arange(self._last + 1))

    def __call__(self, count: jax.typing.ArrayLike) -> jax.Array:
        """The rate of a step; a negative step, which optax's joins pass, counts as 0."""
        index = jnp.clip(jnp.asarray(count), 0, self._last)
        return jnp.asarray(self._table)[index]

    def __repr__(self) -> str:
        return f"to_optax({self.schedule!r})"
