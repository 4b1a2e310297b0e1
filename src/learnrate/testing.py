"""Public fakes and contracts, for tests of ours and of yours.

`quadratic_task` is a task whose right answers are known; `ScheduleContract` is what every schedule
promises, as tests to inherit.
"""

# ruff: noqa: S101, D102 - tests are made of asserts, and their names are sentences

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from learnrate.schedules import from_json
from learnrate.schedules import schedule as read
from learnrate.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from learnrate.schedules import Schedule

__all__ = ["ScheduleContract", "quadratic_task"]

_FAR = 10**9


class _Point(nn.Module):
    """A vector of parameters that starts at `start` in every coordinate."""

    def __init__(self, dim: int, start: float) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.full((dim,), start))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.position - batch


def quadratic_task(
    *,
    dim: int = 8,
    steepest: float = 10.0,
    noise: float = 0.1,
    steps: int | None = 400,
    validated: bool = True,
) -> Task:
    r"""A noisy quadratic under plain SGD, whose stable rates are known exactly.

    The loss of a batch $z \sim N(0, \text{noise}^2 I)$ is $\tfrac12 \sum_i h_i (w_i - z_i)^2$ with
    curvatures $h$ from `steepest / 100` to `steepest`, equal factors apart. Gradient descent is
    stable below $2 / h_{max}$ and diverges above it; the expected loss of $w = 0$ is 0 without
    noise. `validated` gives the task the noiseless loss as its validation.

    Args:
        dim: how many parameters, at least 2.
        steepest: the largest curvature, above 0.
        noise: standard deviation of the batches, at least 0.
        steps: the run's length, or None.
        validated: whether the task has a validation loss.

    Examples:
        >>> quadratic_task(steepest=10.0).steps
        400
    """
    curvature = torch.logspace(-2, 0, dim) * steepest

    def loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(0.5 * (curvature * model(batch).square()).sum())

    def batches(seed: int) -> Iterator[torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        for _ in range(64):
            yield noise * torch.randn(dim, generator=generator)

    def validate(model: nn.Module) -> float:
        return loss(model, torch.zeros(dim)).item()

    return Task(
        model=lambda: _Point(dim, 1.0),
        loss=loss,
        data=batches,
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        validate=validate if validated else None,
        steps=steps,
        name="noisy quadratic",
    )


class ScheduleContract:
    """Tests that hold for every schedule. Inherit, and supply `make`.

        class TestMyShape(ScheduleContract):
            def make(self):
                return MyShape(100, floor=0.1)

    `make` gives an equal schedule at every call, evaluable as it is. Set `has_text = False` for
    one that holds a function.
    """

    has_text = True

    def make(self) -> Schedule:
        """The schedule under test."""
        raise NotImplementedError

    def _steps(self) -> list[int]:
        total = self.make().total or 200
        near = {0, 1, 2, total // 3, total // 2, total - 1, total, total + 1, 3 * total}
        return sorted(step for step in near if step >= 0)

    def test_the_same_step_has_the_same_value_in_any_order(self) -> None:
        schedule = self.make()
        steps = self._steps()
        forward = [schedule(step) for step in steps]
        backward = [schedule(step) for step in reversed(steps)]
        assert forward == backward[::-1]

    def test_every_value_is_a_finite_float(self) -> None:
        values = [self.make()(step) for step in [*self._steps(), _FAR]]
        assert all(type(value) is float and math.isfinite(value) for value in values)

    def test_arrays_have_the_same_values_to_the_last_bit(self) -> None:
        schedule = self.make()
        longest = min(schedule.total or 1000, 1000) + 50
        for length in (0, 1, 2, 3, 7, 8, longest):
            steps = np.arange(length)
            _same_bits(schedule, steps)
            _same_bits(schedule, steps[::-1])
            _same_bits(schedule, np.arange(3 * length, dtype=np.int32)[::3])
        _same_bits(schedule, np.arange(6).reshape(2, 3).T)
        _same_bits(schedule, np.array(5, dtype=np.uint8))

    def test_past_its_end_it_stays_at_its_last_value(self) -> None:
        schedule = self.make()
        if schedule.total is not None:
            held = [schedule(schedule.total + more) for more in (0, 1, 10, 1000, _FAR)]
            assert held == held[:1] * 5

    def test_equal_schedules_compare_and_hash_equal(self) -> None:
        assert self.make() == self.make()
        assert len({self.make(), self.make()}) == 1

    def test_it_cannot_be_changed(self) -> None:
        schedule = self.make()
        before = schedule(1)
        try:
            schedule.steps = 3  # type: ignore[attr-defined]
        except (AttributeError, TypeError):
            assert schedule(1) == before
        else:
            raise AssertionError(f"{schedule!r} let a field be set")

    def test_it_pickles(self) -> None:
        schedule = self.make()
        copy = pickle.loads(pickle.dumps(schedule))  # noqa: S301 - our own bytes
        assert schedule == copy
        assert [schedule(s) for s in self._steps()] == [copy(s) for s in self._steps()]

    def test_it_prints_as_its_own_text(self) -> None:
        schedule = self.make()
        assert f"schedule({str(schedule)!r})" == repr(schedule)
        if self.has_text:
            assert schedule == read(str(schedule))
            assert str(schedule) == str(read(str(schedule)))

    def test_json_brings_it_back(self) -> None:
        if self.has_text:
            assert self.make() == from_json(self.make().to_json())

    def test_it_resumes_from_one_integer(self) -> None:
        through = [self.make()(step) for step in range(20)]
        resumed = self.make()
        assert through[7:] == [resumed(step) for step in range(7, 20)]

    def test_binding_it_to_its_own_length_changes_nothing(self) -> None:
        schedule = self.make()
        if schedule.total is not None:
            assert schedule == schedule.over(schedule.total)


def _same_bits(schedule: Schedule, steps: npt.NDArray[np.integer[Any]]) -> None:
    many = schedule(steps)
    each = np.array([schedule(int(step)) for step in steps.flat]).reshape(steps.shape)
    assert many.shape == steps.shape
    assert many.dtype == np.float64
    assert each.tobytes() == np.ascontiguousarray(many).tobytes(), (schedule, steps)
