"""A healthy run of 600 updates, from which the examples of the rules are made."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.schedules import Schedule, schedule
from learnrate.watch._observations import Observations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

__all__ = ["ExampleRun"]


class ExampleRun:
    """A loss that falls from 2.3 to 0.2 while the rate warms up to 0.1 and decays to 0."""

    total_steps = 600

    @cached_property
    def step(self) -> np.ndarray:
        """The steps of all updates, from 0 on."""
        return np.arange(self.total_steps)

    @cached_property
    def noise(self) -> np.ndarray:
        """A standard normal value for each step, always the same."""
        return np.random.default_rng(0).standard_normal(self.total_steps)

    @cached_property
    def loss(self) -> np.ndarray:
        """A training loss that falls from 2.3 to 0.2 within some 250 steps, with noise."""
        return np.asarray(0.2 + 2.1 * np.exp(-self.step / 50) + 0.03 * self.noise)

    @cached_property
    def schedule(self) -> Schedule:
        """A warm-up of 10 % to the peak 0.1, then a cosine to 0."""
        return (0.1 * schedule("warmup(10%) >> cosine()")).over(self.total_steps)

    @cached_property
    def lr(self) -> np.ndarray:
        """The rate of `schedule` at every step."""
        return self.schedule.table()

    def cosine(self, half_period: int) -> np.ndarray:
        """A rate that follows torch's cosine, which rises again after its half-period."""
        return np.asarray(0.05 * (1.0 + np.cos(np.pi * self.step / half_period)))

    def raised_loss(self, first: int, end: int, height: float) -> np.ndarray:
        """The training loss, raised for some updates.

        Args:
            first: the first step at which it is higher.
            end: the step from which it is as before.
            height: by how much it is higher.
        """
        return self.loss + np.where((first <= self.step) & (self.step < end), height, 0.0)

    def path(self, numbers: Mapping[str, float]) -> dict[str, Any]:
        """Facts of a path of the weights with the same numbers at every twentieth of the run."""
        steps = range(self.total_steps // 20, self.total_steps, self.total_steps // 20)
        facts = {name: [[step, value] for step in steps] for name, value in numbers.items()}
        return {"path_updates": [[step, step] for step in steps]} | facts

    def observed(
        self,
        *,
        total_steps: int | None = None,
        schedule: Schedule | None = None,
        facts: Mapping[str, Any] | None = None,
        **columns: ArrayLike,
    ) -> Observations:
        """The run with some columns replaced or added.

        Args:
            total_steps: the updates of the whole run as planned; not known by default.
            schedule: what the rate should follow; not known by default.
            facts: the facts, as `Observations` has them.
            columns: the columns, by their names; the healthy loss and rate by default.
        """
        return Observations(
            run="example",
            step=self.step,
            columns={
                name: np.asarray(column, dtype=float)
                for name, column in ({"loss": self.loss, "lr": self.lr} | columns).items()
            },
            total_steps=total_steps,
            schedule=schedule,
            facts=facts or {},
        )
