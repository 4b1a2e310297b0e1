"""Schedules by the clock: their text, `attach`, `train` and `to_torch`."""

import json

import pytest
import torch

import learnrate
from learnrate import ArgumentError, ScheduleError, Store
from learnrate.schedules import Deadline, schedule, timed
from learnrate.steering import replayed
from learnrate.torch_scheduler import TimedSchedule
from steered import make_model, optimizer_of, update

BY_TEN = schedule("0.1 * warmup(20) >> linear(80)").by_deadline(10.0)
SHARE = 0.01 / 0.1  # of the second group


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test counts by itself."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(
        "learnrate.torch_scheduler._timed.Stopwatch.__init__.__defaults__", (lambda: Clock.now,)
    )
    return Clock


def train(run, model, optimizer, clock, until=10**9):
    used = []
    while not run.done and run.next_step < until:
        clock.now += 1.0
        loss = update(model, optimizer)
        used.append([group["lr"] for group in optimizer.param_groups])
        run.step(loss)
    return used


@pytest.mark.parametrize("base", ["3e-4 * cosine(1000)", "warmup(5) >> linear(95, floor=0.1)"])
@pytest.mark.parametrize("seconds", [0.5, 60, 28800.0, 1e6])
def test_the_text_of_a_deadline_reads_back_as_it(base, seconds):
    deadline = Deadline(schedule(base), seconds)
    assert timed(str(deadline)) == deadline
    assert timed(deadline) is deadline


@pytest.mark.parametrize("other", ["3e-4 * cosine()", 0.1, None, schedule("linear(5)")])
def test_anything_else_is_not_a_deadline(other):
    assert timed(other) is None


@pytest.mark.parametrize(
    "text", ["deadline(linear(5))", "deadline(linear(5), seconds=soon)", "deadline(5"]
)
def test_a_deadline_that_is_not_one_shows_how_it_is_written(text):
    with pytest.raises(ScheduleError, match="is written deadline"):
        timed(text)


def test_a_run_follows_the_clock_and_ends_with_it(clock, tmp_path):
    model = make_model()
    optimizer = optimizer_of(model)
    run = learnrate.attach(optimizer, str(BY_TEN), store=tmp_path / "runs.db")
    used = train(run, model, optimizer, clock)
    assert used == [[BY_TEN(float(second)), SHARE * BY_TEN(float(second))] for second in range(10)]
    assert (run.stopped, run.next_step) == (None, 10)
    run.finish()
    store = Store(tmp_path / "runs.db")
    stored = store.run("last")
    assert (str(stored.status), stored.facts["deadline"]) == ("finished", str(BY_TEN))
    rates = [rates[0] for rates in used]
    assert store.observations(stored.id).column("lr").tolist() == rates
    assert replayed(store, stored.id).lr.tolist() == rates


def test_an_edited_run_by_the_clock_is_resumed_and_counts_on(clock):
    model = make_model()
    optimizer = optimizer_of(model)
    first = learnrate.attach(optimizer, BY_TEN, store=False)
    train(first, model, optimizer, clock, until=4)
    state = json.loads(json.dumps(first.state_dict()))
    first.finish()
    clock.now += 1000.0  # nothing trains meanwhile
    second = learnrate.attach(optimizer, BY_TEN, store=False)
    second.load_state_dict(state)
    second.steer("scale 0.5", group=0)
    used = train(second, model, optimizer, clock)
    assert [rates[1] for rates in used] == [
        SHARE * BY_TEN(float(second)) for second in range(4, 10)
    ]
    assert second.next_step == 10
    with pytest.raises(ArgumentError, match="external scheduler"):
        second.steer("stretch 50")


def test_a_scheduler_of_torch_reads_the_clock_and_continues(clock):
    optimizer = optimizer_of(make_model())
    scheduler = learnrate.to_torch(BY_TEN, optimizer)
    assert isinstance(scheduler, TimedSchedule)
    for second in range(1, 6):
        optimizer.step()
        clock.now += 1.0
        scheduler.step()
        assert scheduler.get_last_lr() == [BY_TEN(float(second)), SHARE * BY_TEN(float(second))]
    state = scheduler.state_dict()
    clock.now += 500.0
    resumed = learnrate.to_torch(BY_TEN, optimizer)
    resumed.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == BY_TEN(5.0)
    assert resumed.last_epoch == 5
    with pytest.raises(ArgumentError, match="reads the clock"):
        learnrate.from_torch(resumed, 10)
    run = learnrate.attach(optimizer, resumed, store=False)
    clock.now += 1.0
    assert not run.done
    assert run.next_step == 5


def test_a_task_is_trained_until_the_time_is_over(clock):
    def loss(model, x):
        clock.now += 1.0
        return model(x).square().mean()

    task = learnrate.Task(
        model=make_model,
        loss=loss,
        data=[torch.ones(2, 5)],
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
    )
    trained = learnrate.train(task, BY_TEN, progress=False)
    assert trained.curve.steps == 10
    assert trained.curve.lr.tolist() == [BY_TEN(float(second)) for second in range(10)]
    assert trained.schedule.table().tolist() == trained.curve.lr.tolist()
    shorter = learnrate.train(task, str(BY_TEN), total_steps=3, progress=False)
    assert shorter.curve.steps == 3


def test_functions_that_count_steps_refuse_a_deadline():
    optimizer = optimizer_of(make_model())
    with pytest.raises(ArgumentError, match="need a schedule in steps"):
        learnrate.to_torch(BY_TEN, optimizer, groups=[None, None])
    with pytest.raises(ArgumentError, match="None if schedule is None"):
        learnrate.attach(optimizer, BY_TEN, groups=[None, 0.1], store=False)
    with pytest.raises(ScheduleError, match="only attach, train and to_torch take"):
        schedule(str(BY_TEN))
