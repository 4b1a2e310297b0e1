"""Controlled: a schedule times its controllers, resumed and realised to the bit."""

import json

import numpy as np
import pytest

from learnrate import ArgumentError, schedule
from learnrate.controllers import Bounded, Controlled, LossSlope, Plateau
from learnrate.schedules import Constant, Schedule, from_json

SCHEDULES = {
    "open": schedule("3e-4 * warmup(50) >> constant()"),
    "bound": schedule("3e-4 * warmup(50) >> cosine()").over(400),
    "unscaled": schedule("warmup(50) >> constant()"),
    "ascending": schedule("3e-4 * warmup(50) >> linear()").over(400).ascending(),
    "scaled parts": schedule("(0.3 * constant(60)) >> (0.7 * linear(340))"),
    "product": schedule("1.7e-3 * inverse_sqrt(every=30) * step(every=40, factor=0.7)"),
    "longer": schedule("0.1 * linear(1000)"),
    "shorter": schedule("0.1 * linear(150, floor=0.1)"),
}
every_schedule = pytest.mark.parametrize("base", SCHEDULES.values(), ids=SCHEDULES.keys())


def controllers():
    return {
        "training": Plateau(window=20, factor=0.3, warmup=50),
        "validation": Bounded(LossSlope(min_samples=40, test_every=8, factor=0.7), lowest=0.2),
    }


def losses(n=400):
    rng = np.random.default_rng(0)
    return (2.0 - np.minimum(np.arange(n), 100) / 100 + 0.02 * rng.standard_normal(n)).tolist()


def drive(rates, steps):
    """Run steps of a training; gives the rates that were used."""
    used = []
    for step in steps:
        used.append(rates.lr(step))
        rates.observe(step, losses()[step])
    return used


@every_schedule
def test_the_realised_schedule_gives_the_rates_that_were_used_to_the_last_bit(base):
    rates = Controlled(base, controllers())
    used = drive(rates, range(400))
    assert {change.controller for change in rates.changes} == {"training", "validation"}
    realised = rates.realised(400)
    assert isinstance(realised, Schedule)
    assert [realised(step) for step in range(400)] == used
    assert realised(np.arange(400)).tolist() == used
    assert realised.total_steps == 400


@every_schedule
def test_the_realised_schedule_survives_its_text_and_its_json(base):
    rates = Controlled(base, controllers())
    used = drive(rates, range(400))
    for read in (schedule(str(rates.realised(400))), from_json(rates.realised(400).to_json())):
        assert [read(step) for step in range(400)] == used


@pytest.mark.parametrize("saved_step", [0, 1, 29, 31, 119, 130, 210, 399])
def test_a_resumed_run_uses_the_same_rates_to_the_last_bit(saved_step):
    whole = Controlled(SCHEDULES["bound"], controllers())
    used = drive(whole, range(400))
    first = Controlled(SCHEDULES["bound"], controllers())
    used_before = drive(first, range(saved_step))
    saved = json.dumps(first.state_dict(), allow_nan=False)
    second = Controlled(SCHEDULES["bound"], controllers())
    second.load_state_dict(json.loads(saved))
    assert used_before + drive(second, range(saved_step, 400)) == used
    assert second.changes == whole.changes
    assert second.state_dict() == whole.state_dict()


def test_past_rates_stay_as_they_were():
    rates = Controlled(SCHEDULES["bound"], controllers())
    used = drive(rates, range(400))
    assert [rates.lr(step) for step in range(400)] == used


def test_without_controllers_the_rates_are_the_schedules():
    base = SCHEDULES["bound"]
    rates = Controlled(base)
    assert [rates.lr(step) for step in range(500)] == [base(step) for step in range(500)]
    assert rates.realised() == base


def test_warm_up_and_plateau_survive_together():
    rates = Controlled(
        schedule("0.1 * warmup(100) >> constant()"), [Plateau(window=50, warmup=100)]
    )
    used = []
    for step in range(200):
        used.append(rates.lr(step))
        rates.observe(step, 1.0)  # flat from the start: during the warm-up that says nothing
    assert used[:101] == [schedule("0.1 * warmup(100) >> constant()")(s) for s in range(101)]
    assert [change.step for change in rates.changes] == [150, 200]
    assert used[150:] == [0.1 * 0.1] * 50


def test_every_change_says_what_by_whom_and_why():
    rates = Controlled(schedule("0.1 * constant()"), {"slow": Plateau(window=20, factor=0.5)})
    for step in range(20):
        changes = rates.observe(step, 1.0)
    (change,) = changes
    assert change == rates.changes[0]
    assert (change.step, change.before, change.after) == (20, 1.0, 0.5)
    assert change.controller == "slow"
    assert change.reason
    assert rates.factor == 0.5


def test_two_changes_at_one_step_are_two_entries_and_one_piece():
    controllers = {"a": Plateau(window=20), "b": Plateau(window=20, factor=0.5)}
    rates = Controlled(schedule("0.1 * constant()"), controllers)
    for step in range(30):
        rates.observe(step, 1.0)
    assert [(c.step, c.controller, c.before, c.after) for c in rates.changes] == [
        (20, "a", 1.0, 0.1),
        (20, "b", 0.1, 0.05),
    ]
    assert rates.realised(30)(20) == rates.lr(20)


def test_the_realised_length_is_the_schedules_or_that_of_the_run():
    rates = Controlled(schedule("0.1 * linear(100)"), [Plateau(window=20)])
    assert rates.realised().total_steps == 100
    rates = Controlled(schedule("0.1 * constant()"), [Plateau(window=20)])
    drive_flat = [rates.observe(step, 1.0) for step in range(25)]
    assert len(drive_flat) == rates.realised().total_steps == 25
    assert rates.realised(10).total_steps == 10
    with pytest.raises(ArgumentError, match=r"realised\(total_steps=...\)"):
        rates.realised(0)


def test_a_step_that_was_observed_cannot_be_observed_again():
    rates = Controlled(Constant(), [Plateau(window=20)])
    rates.observe(5, 1.0)
    saved = rates.state_dict()
    with pytest.raises(
        ArgumentError, match="at least 6, the step after the last one observed; got 5"
    ):
        rates.observe(5, 1.0)
    assert rates.state_dict() == saved


@pytest.mark.parametrize(
    ("base", "options", "message"),
    [
        ("0.1", [], r"Controlled\(schedule=...\) must be a schedule; got '0.1'. Make a schedule"),
        (schedule("warmup(5%) >> linear()"), [], "must be bound to a run"),
        (Constant(), [Plateau(), Plateau()], "of different classes, or named"),
        (Constant(), {"a": 3}, r"controllers\['a'\]=...\) must be a controller; got 3"),
        (Constant(), [Bounded(Plateau()), Plateau()], r"got \['Plateau', 'Plateau'\]. Name them"),
    ],
)
def test_what_cannot_be_controlled_is_refused(base, options, message):
    with pytest.raises(ArgumentError, match=message):
        Controlled(base, options)


def broken(**changes):
    return {**Controlled(Constant(), [Plateau()]).state_dict(), **changes}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (3, "needs the result of state_dict"),
        ({}, "needs the result of state_dict"),
        (broken(version=2), "has version 2; this learnrate reads 1"),
        (broken(colour=1), "has no key 'colour'"),
        (broken(next_step=-1), r"next_step=...\) must be a whole number of at least 0"),
        (broken(controllers={}), "was saved with the controllers none; this run has Plateau"),
        (broken(controllers=[]), "controllers must be a dictionary"),
        (broken(controllers={"Plateau": 3}), "must have the keys controller and state"),
        (broken(changes=[3]), "Change must be read from a dictionary"),
        (Controlled(Constant(), [Plateau(window=10)]).state_dict(), "the same options"),
    ],
)
def test_a_state_of_something_else_is_refused_and_changes_nothing(document, message):
    rates = Controlled(Constant(), [Plateau()])
    saved = rates.state_dict()
    with pytest.raises(ArgumentError, match=message):
        rates.load_state_dict(document)
    assert rates.state_dict() == saved


def test_the_entry_of_a_controller_is_named_when_it_was_cut_short():
    document = broken()
    del document["controllers"]["Plateau"]["state"]["evidence"]["series"]["means"]
    with pytest.raises(ArgumentError, match=r"PlateauState.evidence.series needs the key 'means'"):
        Controlled(Constant(), [Plateau()]).load_state_dict(document)


def test_a_state_that_an_older_version_wrote_is_read():
    rates = Controlled(Constant(), controllers())
    drive(rates, range(120))
    document = json.loads(json.dumps(rates.state_dict()))
    for entry in document["controllers"].values():
        series = entry["state"]["evidence"]["series"]
        series["seen"] = series.pop("count")
    restored = Controlled(Constant(), controllers())
    restored.load_state_dict(document)
    assert restored.state_dict() == rates.state_dict()


def test_one_controller_that_is_in_no_list_is_refused():
    with pytest.raises(
        ArgumentError, match=r"must be a list of controllers.*Write \[Plateau\(\)\]"
    ):
        Controlled(schedule("0.1 * constant()"), Plateau())
