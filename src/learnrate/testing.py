"""Public fakes and contracts, for our tests and yours.

`quadratic_task` is a task whose stable rates are known. `ScheduleContract` and `StoreContract` are
tests to inherit: they check what every schedule, and a store on any database, must do.
"""

# ruff: noqa: S101, D102 - tests are made of asserts, and their names are sentences

from __future__ import annotations

import contextlib
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from learnrate._errors import ArgumentError
from learnrate.schedules import from_json
from learnrate.schedules import schedule as read
from learnrate.store import EditStatus, Recorder, RunStatus, Store
from learnrate.task import Task
from learnrate.watch import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from learnrate.schedules import Schedule

__all__ = ["ScheduleContract", "StoreContract", "quadratic_task"]

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
    total_steps: int | None = 400,
    validated: bool = True,
) -> Task:
    r"""A noisy quadratic under plain SGD, whose stable rates are known exactly.

    The loss of a batch $z \sim N(0, \text{noise}^2 I)$ is $\tfrac12 \sum_i h_i (w_i - z_i)^2$ with
    curvatures $h$ from `steepest / 100` to `steepest`, equal factors apart. Gradient descent is
    stable below $2 / h_{max}$ and diverges above it. Without noise, the loss of $w = 0$ is 0.

    Args:
        dim: how many parameters, at least 2.
        steepest: the largest curvature, above 0.
        noise: standard deviation of the batches, at least 0.
        total_steps: length of the run in updates, or None.
        validated: whether the task has a validation loss, which is the loss without noise.

    Examples:
        >>> quadratic_task(steepest=10.0).total_steps
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
        total_steps=total_steps,
        name="noisy quadratic",
    )


class ScheduleContract:
    """Tests that every schedule must pass. Inherit from it, and define `make`.

        class TestMyShape(ScheduleContract):
            def make(self):
                return MyShape(100, floor=0.1)

    `make` returns an equal schedule at every call, which can be evaluated as it is. Set
    `has_text = False` for a schedule that contains a function.
    """

    has_text = True

    def make(self) -> Schedule:
        """The schedule under test; a subclass returns it.

        Raises:
            NotImplementedError: the subclass does not.
        """
        raise NotImplementedError

    def _steps(self) -> list[int]:
        total_steps = self.make().total_steps or 200
        near = {
            0,
            1,
            2,
            total_steps // 3,
            total_steps // 2,
            total_steps - 1,
            total_steps,
            total_steps + 1,
            3 * total_steps,
        }
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
        longest = min(schedule.total_steps or 1000, 1000) + 50
        for length in (0, 1, 2, 3, 7, 8, longest):
            steps = np.arange(length)
            _same_bits(schedule, steps)
            _same_bits(schedule, steps[::-1])
            _same_bits(schedule, np.arange(3 * length, dtype=np.int32)[::3])
        _same_bits(schedule, np.arange(6).reshape(2, 3).T)
        _same_bits(schedule, np.array(5, dtype=np.uint8))

    def test_past_its_end_it_stays_at_its_last_value(self) -> None:
        schedule = self.make()
        if schedule.total_steps is not None:
            values = [schedule(schedule.total_steps + more) for more in (0, 1, 10, 1000, _FAR)]
            assert values == values[:1] * 5

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
        if schedule.total_steps is not None:
            assert schedule == schedule.over(schedule.total_steps)


def _same_bits(schedule: Schedule, steps: npt.NDArray[np.integer[Any]]) -> None:
    actual = schedule(steps)
    expected = np.array([schedule(int(step)) for step in steps.flat]).reshape(steps.shape)
    assert actual.shape == steps.shape
    assert actual.dtype == np.float64
    assert expected.tobytes() == np.ascontiguousarray(actual).tobytes(), (schedule, steps)


class StoreContract:
    """Tests that a store must pass on every database. Inherit from it, and define `make`.

        class TestOurServer(StoreContract):
            def make(self):
                return "postgresql://..."

    `make` returns the place of another empty store at every call. If you override `setup_method`,
    call `super().setup_method()`.
    """

    def make(self) -> str:
        """The place of an empty store, another one at every call; a subclass returns it.

        Raises:
            NotImplementedError: the subclass does not.
        """
        raise NotImplementedError

    def setup_method(self) -> None:
        self.store = Store(self.make())

    def teardown_method(self) -> None:
        self.store.close()

    def test_a_run_comes_back_as_it_was_written(self) -> None:
        schedule = read("3e-4 * warmup(10) >> cosine(90, floor=0.1)")
        run = self.store.new_run(
            name='a "name"; with % all', total_steps=100, schedule=schedule, facts={"seed": 1}
        )
        record = self.store.run(run)
        assert (record.id, record.name, record.total_steps) == (run, 'a "name"; with % all', 100)
        assert (record.schedule, record.facts, record.step) == (schedule, {"seed": 1}, 0)
        assert record.live

    def test_points_come_back_to_the_bit(self) -> None:
        run = self.store.new_run()
        rng = np.random.default_rng(0)
        step = np.cumsum(rng.integers(1, 4, size=20_000))
        columns = {"lr": rng.normal(size=20_000), "loss": rng.normal(size=20_000)}
        columns["validation"] = np.where(rng.random(20_000) < 0.01, columns["loss"], np.nan)
        self.store.write_points(run, step, columns)
        observations = self.store.observations(run)
        assert np.array_equal(observations.step, step)
        assert all(
            observations.columns[name].tobytes() == columns[name].tobytes() for name in columns
        )
        assert self.store.run(run).step == step[-1] + 1

    def test_only_the_points_after_a_step_can_be_asked_for(self) -> None:
        run = self.store.new_run()
        self.store.write_points(run, [0, 2, 4, 6], {"loss": [3.0, 2.0, 1.0, 0.0]})
        assert self.store.points(run, after=2).step.tolist() == [4, 6]
        assert self.store.points(run, after=6).step.tolist() == []

    def test_what_is_not_finite_comes_back(self) -> None:
        run = self.store.new_run()
        self.store.write_points(run, [0, 1, 2], {"loss": [math.inf, -math.inf, 1e308]})
        assert self.store.observations(run).column("loss").tolist() == [math.inf, -math.inf, 1e308]

    def test_the_latest_attempt_stands_from_where_it_begins(self) -> None:
        run = self.store.new_run()
        self.store.write_points(run, np.arange(10), {"loss": np.zeros(10)})
        self.store.begin_attempt(run, 6, "rolled back")
        self.store.write_points(run, [6, 7], {"loss": [1.0, 1.0]})
        points = self.store.points(run)
        assert points.step.tolist() == list(range(8))
        assert points.attempt.tolist() == [0] * 6 + [1] * 2
        assert points.columns["loss"].tolist() == [0.0] * 6 + [1.0] * 2
        assert [attempt.begins for attempt in self.store.attempts(run)] == [0, 6]

    def test_an_attempt_has_no_step_twice(self) -> None:
        run = self.store.new_run()
        self.store.write_points(run, [0, 1], {"loss": [1.0, 1.0]})
        with _raising(ArgumentError, "must begin after 1"):
            self.store.write_points(run, [1, 2], {"loss": [1.0, 1.0]})
        assert self.store.points(run).step.tolist() == [0, 1]

    def test_a_recorder_writes_what_it_is_given(self) -> None:
        recorder = Recorder(self.store.url, names=("lr", "loss", "validation"), name="recorded")
        for step in range(1500):
            recorder.add((step, (0.1, float(step), None), None))
        assert recorder.flush()
        recorder.add((1499, (None, None, 7.0), None))
        recorder.add((1500, (0.1, math.nan, None), {"lr[0]": 0.1, "lr[1]": 0.3}))
        recorder.step = 1501
        recorder.close(RunStatus.FINISHED)
        points = self.store.points(recorder.run)
        assert points.step.tolist() == list(range(1501))
        assert points.columns["loss"].tolist() == [*map(float, range(1500)), math.inf]
        assert points.columns["validation"][1499] == 7.0
        assert points.columns["lr[1]"][1500] == 0.3
        assert self.store.run(recorder.run).status is RunStatus.FINISHED
        assert self.store.run(recorder.run).step == 1501

    def test_edits_are_numbered_in_order_however_many_ask_at_once(self) -> None:
        run = self.store.new_run()

        def ask(number: int) -> None:
            for _ in range(5):
                self.store.add_edit(run, "scale", {"by": number}, author=f"{number}", reason="why")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, range(4)))
        edits = self.store.edits(run)
        assert [edit.sequence for edit in edits] == list(range(1, 21))
        assert sorted(edit.author for edit in edits) == sorted("0123" * 5)
        assert self.store.edits(run, after=18) == edits[18:]

    def test_an_edit_is_answered_once(self) -> None:
        run = self.store.new_run()
        edit = self.store.add_edit(run, "set", 0.1, group=1, author="me")
        assert self.store.edits(run, status="pending") == [edit]
        assert self.store.answer_edit(run, 1, EditStatus.APPLIED, step=7, answer="done")
        assert not self.store.answer_edit(run, 1, EditStatus.REFUSED)
        (answered,) = self.store.edits(run)
        assert (answered.status, answered.step, answered.answer) == ("applied", 7, "done")

    def test_a_run_that_has_ended_takes_no_edit(self) -> None:
        run = self.store.new_run()
        self.store.set_status(run, RunStatus.FINISHED)
        with _raising(ArgumentError, "is finished; only running runs"):
            self.store.add_edit(run, "stop", author="me")
        assert self.store.edits(run) == []

    def test_runs_are_found_by_the_beginning_of_their_name_and_by_last(self) -> None:
        with _raising(ArgumentError, "no run in"):
            self.store.resolve("last")
        first, second = self.store.new_run(), self.store.new_run()
        assert [run.id for run in self.store.runs()] == [second, first]
        assert self.store.resolve(first[:-1]) == first
        assert self.store.resolve("last") == second
        self.store.set_status(second, RunStatus.FAILED)
        assert self.store.resolve("last", live=True) == first
        with _raising(ArgumentError, f"the newest are {second}, {first}"):
            self.store.resolve("%")

    def test_findings_and_snapshots_come_back(self) -> None:
        run = self.store.new_run()
        finding = Finding(
            code="LR101",
            severity=Severity.ERROR,
            step=3,
            message="it diverged",
            evidence={"loss": [1.0, 1e9]},
            remedy="lower the rate",
        )
        self.store.add_finding(run, finding)
        self.store.add_snapshot(run, 3, "a")
        self.store.add_snapshot(run, 3, "b")
        assert self.store.findings(run) == [finding]
        assert [(snapshot.step, snapshot.place) for snapshot in self.store.snapshots(run)] == [
            (3, "b")
        ]

    def test_a_deleted_run_leaves_nothing_behind(self) -> None:
        run, other = self.store.new_run(), self.store.new_run()
        for run_id in (run, other):
            self.store.write_points(run_id, [0], {"loss": [1.0]})
            self.store.add_edit(run_id, "hold", author="me")
        self.store.delete_run(run)
        assert [record.id for record in self.store.runs()] == [other]
        assert len(self.store.points(run).step) == len(self.store.edits(run)) == 0
        assert len(self.store.points(other).step) == len(self.store.edits(other)) == 1


@contextlib.contextmanager
def _raising(kind: type[Exception], part: str) -> Iterator[None]:
    try:
        yield
    except kind as error:
        assert part in str(error), error  # noqa: PT017 - pytest need not be there
    else:
        raise AssertionError(f"no {kind.__name__} was raised")
