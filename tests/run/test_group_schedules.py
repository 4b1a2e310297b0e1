"""Schedules of parameter groups and of hyper-parameters, under `attach`."""

import numpy as np
import pytest
import torch

import learnrate
from learnrate import ArgumentError, Store
from learnrate.edits import Edited
from learnrate.schedules import schedule as read
from learnrate.steering import observations_as_edited, replayed, request
from learnrate.store import with_group_rates
from learnrate.watch import diagnose
from steered import SCHEDULE, Steered, make_model, optimizer_of

BODY = "0.02 * constant(30) >> linear(30)"


@pytest.fixture
def place(tmp_path):
    return tmp_path / "runs.db"


def rates_of(*texts, steps=60):
    """The rate of each group at each step, from the text of its schedule."""
    columns = [
        read(text).over(steps) if read(text).total_steps is None else read(text) for text in texts
    ]
    return np.stack([column(np.arange(steps)) for column in columns], axis=1).tolist()


def test_each_group_follows_its_schedule_and_is_recorded_and_compared_with_it(place):
    steered = Steered(place, groups=[None, BODY]).train(60)
    steered.run.finish()
    assert steered.used == rates_of(SCHEDULE, BODY)
    store = Store(place)
    stored, table = store.run("last"), np.array(steered.used)
    points = store.points(stored.id)
    assert points.columns["lr[0]"].tolist() == table[:, 0].tolist()
    assert points.columns["lr[1]"].tolist() == table[:, 1].tolist()
    assert points.columns["lr"].tolist() == table.max(axis=1).tolist()
    assert stored.facts["group_schedules"] == [None, BODY]
    observations = observations_as_edited(store, stored.id)
    assert observations.schedule(np.arange(60)).tolist() == table.max(axis=1).tolist()
    codes = {finding.code for finding in diagnose(observations).findings}
    assert not codes & {"LR302", "LR305", "LR308"}
    assert not {finding.code for finding in steered.run.findings} & {"LR305", "LR308"}


def test_groups_that_all_have_schedules_need_none_of_the_run(place):
    steered = Steered(place, groups=[BODY, 0.003]).train(60)
    assert steered.used == rates_of(BODY, "0.003")
    steered.run.finish()
    assert Store(place).observations(steered.run.id).column("lr")[0] == 0.02


def test_edits_change_the_planned_schedule_of_a_group_and_a_replay_repeats_them(place):
    steered = Steered(place, groups=[None, BODY]).train(20)
    steered.run.steer("scale 0.5", group=1, author="ann")
    steered.train(40)
    steered.run.steer("follow '1e-3 * constant()'", group=0, author="ann")
    steered.run.steer("stretch 70", author="ann")
    steered.train(70).run.finish()
    expected = np.array(rates_of(SCHEDULE, BODY, steps=70))
    expected[20:, 1] *= 0.5
    expected[40:, 0] = 1e-3
    # the stable phase of group 1 is over, so its rate stays for ten steps before it falls on
    expected[50:, 1] = expected[40:60, 1]
    expected[40:50, 1] = expected[40, 1]
    np.testing.assert_allclose(steered.used, expected, rtol=1e-12)
    replay = replayed(Store(place), "last")
    assert replay.groups == (None, read(BODY))
    assert replay.lr.tolist() == np.max(steered.used, axis=1).tolist()
    again = Steered(False, replay.base, groups=replay.groups, edits=replay.edits_to_repeat).train(
        70
    )
    assert again.used == steered.used


def test_a_request_from_outside_is_checked_against_the_planned_schedule_of_the_group(place):
    steered = Steered(place, groups=[None, BODY], limits={"highest": 0.1}).train(6)
    steered.run.recorder.flush()
    store = Store(place)
    with pytest.raises(ArgumentError, match=r"would lead to the rate 0\.12"):
        request(store, steered.run.id, "scale", 6.0, group=1, author="ann")
    assert request(store, steered.run.id, "scale", 5.0, group=1, author="ann").status == "pending"
    steered.run.finish()


def test_a_resumed_run_follows_the_schedules_of_its_groups_to_the_last_bit(place):
    whole = Steered(False, groups=[None, BODY]).train(60).used
    first = Steered(place, groups=[None, BODY]).train(25)
    state = first.run.state_dict()
    first.run.finish("failed")
    second = Steered(place, groups=[None, BODY])
    second.run.load_state_dict(state)
    assert second.train(60).used == whole[25:]
    second.run.finish()
    assert [run.step for run in Store(place).runs()] == [60]


@pytest.mark.parametrize("groups", [None, [None, 0.005], [0.07, None]])
def test_other_schedules_of_groups_are_refused_on_a_resume_unless_they_are_asked_for(groups):
    first = Steered(False, groups=[None, BODY]).train(25)
    second = Steered(False, groups=groups)
    with pytest.raises(ArgumentError, match=r"saved with groups=\[None, 0.02 \* constant"):
        second.run.load_state_dict(first.run.state_dict())
    second.run.load_state_dict(first.run.state_dict(), change_schedule=True)
    expected = Steered(False, groups=groups).train(60).used[25:]
    np.testing.assert_allclose(second.train(60).used, expected, rtol=1e-12)


def test_momentum_and_betas_follow_schedules_of_all_or_of_single_groups():
    model = make_model()
    sgd = torch.optim.SGD(model[0].parameters(), lr=0.1, momentum=0.9)
    groups = [{"params": [model[2].weight]}, {"params": [model[2].bias]}]
    adam = torch.optim.Adam(groups, lr=0.01)
    hyper = {
        "momentum": ["0.5 * linear()", None, None],
        "betas[0]": [None, None, "0.9 * constant() >> linear(50%)"],
    }
    run = learnrate.attach([sgd, adam], "0.1 * linear()", total_steps=10, hyper=hyper, store=False)
    used = []
    for step in range(10):
        adam.param_groups[1]["betas"] = (0.1, 0.2 if step == 7 else 0.999)  # somebody else writes
        sgd.step()
        adam.step()
        betas = [group["betas"][0] for group in adam.param_groups]
        used.append((sgd.param_groups[0]["momentum"], *betas))
        run.step(1.0)
    half, late = read("0.5 * linear(10)"), read("0.9 * constant(5) >> linear(5)")
    assert used == [(half(step), 0.9, late(step)) for step in range(10)]
    assert adam.param_groups[1]["betas"][1] == 0.999


def test_one_schedule_of_a_hyper_parameter_keeps_the_shares_of_the_groups():
    optimizer = optimizer_of(make_model())
    optimizer.param_groups[1]["momentum"] = 0.45
    run = learnrate.attach(
        optimizer, 0.1, total_steps=4, hyper={"momentum": "0.8 * linear()"}, store=False
    )
    assert [group["momentum"] for group in optimizer.param_groups] == [0.8, 0.4]
    run.finish()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": [None]}, "must have one schedule for each parameter group; got 1 for 2"),
        ({"groups": [None, lambda step: 0.1]}, "groups=...\\) must be schedules with a text form"),
        ({"groups": [None, "cosine("]}, "cosine"),
        ({"hyper": {"betas[0]": 0.9}}, "must name a number of every parameter group"),
        ({"hyper": {"lr": 0.9}}, "must not name 'lr'"),
        ({"hyper": {"momentum": [0.9]}}, "got 1 for 2"),
        (
            {"schedule": None, "groups": [None, 0.1]},
            "groups=...\\) must be None if schedule is None",
        ),
    ],
)
def test_what_does_not_fit_the_groups_is_refused(options, message):
    with pytest.raises(learnrate.LearnrateError, match=message):
        Steered(False, **options)


def test_a_task_is_trained_with_a_schedule_for_each_group():
    task = learnrate.Task(
        model=make_model,
        loss=lambda model, x: model(x).square().mean(),
        data=[torch.ones(2, 5)],
        optimizer=lambda model: [
            torch.optim.SGD(model[0].parameters(), lr=0.1),
            torch.optim.Adam(model[2].parameters(), lr=0.1),
        ],
    )
    trained = learnrate.train(
        task, "0.01 * linear()", total_steps=5, groups=[None, 1e-3], progress=False
    )
    assert trained.optimizer[0].param_groups[0]["lr"] == 0.0  # after the last update
    assert trained.optimizer[1].param_groups[0]["lr"] == 1e-3


def test_the_rates_of_groups_with_lr_scale_are_recorded_steered_and_replayed_as_they_were(place):
    model = make_model()
    groups = [
        {"params": model[0].parameters(), "lr_scale": 0.25},
        {"params": model[2].parameters()},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    run = learnrate.attach(optimizer, "0.1 * linear()", total_steps=4, store=place)
    used = []
    for _ in range(4):
        used.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        run.step(1.0)
    run.finish()
    assert used == rates_of("0.025 * linear()", "0.1 * linear()", steps=4)
    store = Store(place)
    points = with_group_rates(store.points(run.id), store.run(run.id).facts)
    assert np.stack([points.columns["lr[0]"], points.columns["lr[1]"]], axis=1).tolist() == used


def test_the_highest_of_groups_that_cross_is_a_function_of_the_step():
    falling, rising = read("0.2 * linear(10)"), read("0.1 * warmup(10, start=0)")
    crossing = Edited(falling, (), (1.0, 0.5, 1.0), (None, None, rising))
    steps = np.arange(10)
    expected = np.maximum(falling(steps), rising(steps))
    assert crossing.highest(steps).tolist() == expected.tolist()
    assert crossing.highest.total_steps == 10
    last = read("0.05 * (constant(9) >> 4 * constant(1))")
    assert Edited(read("0.1 * constant(10)"), (), (1.0, 1.0), (None, last)).highest(9) == 0.2
    assert Edited(falling, (), (1.0, 1.0), (None, read("0.3 * constant(10)"))).highest == read(
        "0.3 * constant(10)"
    )
