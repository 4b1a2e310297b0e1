"""Optax and JAX: our schedules as functions of a traced step."""

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

    It can be jitted, mapped and scanned over. The rates are laid down in a table, which a
    compiled update looks up: one gather an update, and 4 bytes a step in each program that uses
    it (8 where 64-bit numbers are enabled), so 4 MB for a million steps. They are ours rounded
    to the float type that JAX is set to when the schedule is traced.

    Args:
        schedule: The rate of each step. After its end it stays at its last value.
        total_steps: Steps to bind it to, if it is not bound yet.

    Raises:
        ArgumentError: it is not bound, and no `total_steps` is given.
    """
    return OptaxSchedule(bound_schedule("to_optax(schedule=...)", schedule, total_steps))


class OptaxSchedule:
    """What `to_optax` gives: step -> rate, for one step or an array of them."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._last = schedule.total_steps or 0
        self._table = schedule(np.arange(self._last + 1))

    def __call__(self, count: jax.typing.ArrayLike) -> jax.Array:
        """The rate at a step; before the first as at the first, as optax's joins ask."""
        at = jnp.clip(jnp.asarray(count), 0, self._last)
        return jnp.asarray(self._table)[at]

    def __repr__(self) -> str:
        return f"to_optax({self.schedule!r})"
