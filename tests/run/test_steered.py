"""Edits of live runs: from the store and the loop, under every scheduler, and their failures."""

import contextlib
import copy
import json
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler, swa_utils

import learnrate
from learnrate import ArgumentError, Store, StoreError
from learnrate.controllers import Plateau
from learnrate.edits import Edited, Limits
from learnrate.schedules import schedule as read
from learnrate.steering import edits_of, ratios_of, replayed, request
from processes import HANG
from steered import SCHEDULE, Steered, make_model, optimizer_of, update


@pytest.fixture
def place(tmp_path):
    return tmp_path / "runs.db"


def test_an_edit_of_the_loop_holds_for_the_next_update_and_is_stored(place):
    steered = Steered(place)
    steered.train(99, {20: "scale 0.5", 30: ["hold", "scale 0.5"], 35: "release", 45: "decay 10"})
    steered.run.finish()
    store = Store(place)
    edits = store.edits(steered.run.id)
    assert [(edit.kind, edit.step, edit.status) for edit in edits] == [
        ("scale", 20, "applied"),
        ("hold", 30, "applied"),
        ("scale", 30, "applied"),
        ("release", 35, "applied"),
        ("decay", 45, "applied"),
    ]
    assert {(edit.author, edit.reason) for edit in edits} == {("ann", "a try")}
    assert edits[0].answer == "rate 0.1 -> 0.05"
    stored = store.run(steered.run.id)
    assert (stored.total_steps, stored.step, stored.status) == (55, 55, "finished")
    edited = Edited(read(SCHEDULE), edits_of(edits), ratios_of(stored))
    used = np.array(steered.used)
    assert used[:, 0].tolist() == edited.schedule.table().tolist()
    assert used.tolist() == [list(edited.rates(step)) for step in range(55)]
    assert store.observations(stored.id).column("lr").tolist() == used[:, 0].tolist()


@pytest.mark.parametrize(("steps", "is_told"), [(10, False), (40, True)])
def test_a_decay_that_ends_after_the_loop_is_noted_in_its_answer(place, steps, is_told):
    steered = Steered(place, "0.1 * constant()", total_steps=60)
    steered.train(45, {40: f"decay {steps}"})
    steered.run.finish()
    (edit,) = Store(place).edits(steered.run.id)
    message = "the decay ends at step 80, but the run was planned to end at 60"
    assert (message in edit.answer) == is_told


def test_a_request_is_applied_within_two_seconds_or_ten_steps(place):
    steered = Steered(place, "0.1 * constant()", total_steps=100_000)
    run = steered.run
    steered.train(5)
    run.recorder.flush()
    edit = request(Store(place), run.id, "scale", 0.5, author="ann", reason="flat")
    began, first = time.monotonic(), run.next_step
    while run.lr == 0.1:
        steered.train(run.next_step + 1)
        assert time.monotonic() - began < 2.0 or run.next_step - first < 10
        time.sleep(0.002)
    run.finish()
    (stored,) = Store(place).edits(run.id)
    assert (stored.sequence, stored.status) == (edit.sequence, "applied")
    assert steered.used[stored.step - 1][0] == 0.1


def test_an_edit_of_one_group_does_not_change_the_others(place):
    steered = Steered(place)
    steered.train(10)
    steered.run.steer("scale 0.5", group=1)
    steered.train(12)
    steered.run.finish()
    table = read(SCHEDULE).table()
    assert [rates[0] for rates in steered.used] == table[:12].tolist()
    assert steered.used[11][1] == pytest.approx(0.05 * table[11])
    assert Store(place).points(steered.run.id).columns["lr[1]"][11] == steered.used[11][1]


def test_a_group_added_under_a_torch_scheduler_has_the_edits_of_all_groups():
    model = make_model()
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
    with learnrate.attach(optimizer, None, store=False) as run:
        run.steer("hold")
        optimizer.add_param_group({"params": model[2].parameters(), "lr": 0.002})
        used = []
        optimizer.register_step_pre_hook(
            lambda o, *_: used.append([group["lr"] for group in o.param_groups])
        )
        for words in ("scale 0.5", "release"):
            run.step(update(model, optimizer))
            run.steer(words)
        run.step(update(model, optimizer))
    assert used == [[0.1, 0.1], [0.05, 0.05], [0.05, 0.001]]


def test_a_stopped_run_says_who_stopped_it_and_why(place):
    steered = Steered(place).train(99, {7: "stop"})
    steered.run.finish()
    assert (steered.run.done, steered.run.next_step) == (True, 7)
    assert steered.run.stopped == "stopped by ann: a try"
    assert Store(place).run(steered.run.id).status == "stopped"


def test_a_rollback_brings_back_weights_momentum_and_rate(place):
    steered = Steered(place).train(10, {5: "snapshot"})
    before = [value.clone() for value in steered.model.parameters()]
    steered.run.steer("rollback 5")
    assert (steered.run.next_step, steered.run.lr) == (5, read(SCHEDULE)(5))
    steered.train(10)
    assert all(
        torch.equal(first, second)
        for first, second in zip(before, steered.model.parameters(), strict=True)
    )
    steered.run.finish()
    assert [attempt.begins for attempt in Store(place).attempts(steered.run.id)] == [0, 5]


def test_a_rollback_to_a_step_without_a_snapshot_names_the_snapshots(place):
    steered = Steered(place).train(10, {3: "snapshot", 6: "snapshot"})
    with pytest.raises(ArgumentError, match="no snapshot of step 4; there are snapshots of 3, 6"):
        steered.run.steer("rollback 4")
    steered.run.finish()


def test_limits_are_checked_at_the_request_and_when_the_edit_is_applied(place):
    steered = Steered(place, limits=Limits(highest=0.15, authors=("ann", "ben"))).train(9)
    run, store = steered.run, Store(place)
    run.recorder.flush()
    with pytest.raises(ArgumentError, match=r"lead to the rate 0.2; this run allows 0.15"):
        request(store, run.id, "scale", 2.0, author="ann")
    with pytest.raises(ArgumentError, match="carl may not edit this run"):
        request(store, run.id, "hold", author="carl")
    assert store.edits(run.id) == []
    store.add_edit(run.id, "scale", 2.0, author="ben")  # without request(), which would refuse it
    steered.run._edits.mailbox.exchange()
    steered.train(12)
    run.finish()
    (stored,) = store.edits(run.id)
    assert (stored.status, stored.step) == ("refused", None)
    assert "0.15 at most" in stored.answer
    assert steered.used[11][0] == 0.1


def test_edits_requested_at_the_same_time_are_all_applied_in_order(place):
    steered = Steered(place, "0.1 * constant(100000)").train(3)
    run = steered.run
    run.recorder.flush()

    def ask(author):
        store = Store(place)
        for _ in range(10):
            request(store, run.id, "scale", 0.9, author=author)

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("ann", "ben")]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        steered.train(run.next_step + 1)
    run._edits.mailbox.exchange()
    steered.train(run.next_step + 2)
    run.finish()
    edits = Store(place).edits(run.id)
    assert (
        [edit.sequence for edit in edits]
        == [edit.position for edit in edits]
        == list(range(1, 21))
    )
    assert sorted(edit.author for edit in edits) == ["ann"] * 10 + ["ben"] * 10
    assert {edit.status for edit in edits} == {"applied"}
    assert steered.used[-1][0] == pytest.approx(0.1 * 0.9**20)


def test_a_run_that_has_ended_cannot_be_edited(place):
    steered = Steered(place).train(3)
    steered.run.finish()
    with pytest.raises(ArgumentError, match=r"has ended \(finished\)"):
        request(Store(place), steered.run.id, "hold", author="ann")
    with pytest.raises(ArgumentError, match=r"no run in .* is running"):
        request(Store(place), "last", "hold", author="ann")
    with pytest.raises(ArgumentError, match="the run has ended"):
        steered.run.steer("hold")


def test_a_change_of_a_controller_is_an_edit_and_a_hold_pauses_the_controller(place):
    steered = Steered(
        place, "0.1 * constant(80)", controllers=[Plateau(window=10, improvement=0.9, cooldown=0)]
    )
    while not steered.run.done:
        if steered.run.next_step == 15:
            steered.run.steer("hold")
        if steered.run.next_step == 60:
            steered.run.steer("release")
        update(steered.model, steered.optimizer)
        steered.run.step(1.0)
    steered.run.finish()
    edits = Store(place).edits(steered.run.id)
    cuts = [edit.step for edit in edits if edit.author == "Plateau"]
    assert cuts[0] == 10
    assert not any(15 < step < 60 for step in cuts)
    assert [rates[0] for rates in steered.used] == replayed(Store(place), "last").lr.tolist()


# The matrix: every scheduler of torch, every edit, resumed with and without the optimizer's state.

SCHEDULERS = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda step: 0.95),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 5),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [4, 9]),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5, 8),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.2, total_iters=10),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 30),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 30),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 6),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(
        o, [0.01, 0.001], [0.1, 0.01], 4, cycle_momentum=False
    ),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, [0.1, 0.01], total_steps=40),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=2),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.ConstantLR(o, 0.5, 4), lr_scheduler.ExponentialLR(o, 0.9)],
        milestones=[5],
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 4), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "SWALR": lambda o: swa_utils.SWALR(o, swa_lr=0.02, anneal_epochs=5),
}
EDITS = {
    "scale": {6: "scale 0.5"},
    "set": {6: "set 0.0123"},
    "hold": {6: "hold"},
    "release": {4: "hold", 6: "release"},
    "decay": {6: "decay 8"},
    "undo": {4: "scale 0.5", 6: "undo"},
    "undo a hold": {4: "hold", 6: "undo"},
    "group": {6: ("scale 0.5", 1)},
}


def drive(scheduler, optimizer, run, *, steps, edits, used):
    """Updates without a model: only the rates count here."""
    for step in steps:
        if step in edits and run is not None:
            words, group = edits[step] if isinstance(edits[step], tuple) else (edits[step], None)
            run.steer(words, group=group, author="ann")
        rates = []
        handle = optimizer.register_step_pre_hook(
            lambda o, *_, rates=rates: rates.extend(group["lr"] for group in o.param_groups)
        )
        optimizer.step()
        handle.remove()
        used.append(rates)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plateau = isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
            scheduler.step(1.0) if plateau else scheduler.step()
        if run is not None:
            run.step(1.0)
    return used


def begin(name, attached):
    optimizer = optimizer_of(make_model(), momentum=0.0)
    scheduler = SCHEDULERS[name](optimizer)
    run = learnrate.attach(optimizer, None, store=False) if attached else None
    return scheduler, optimizer, run


def expected(plain, edit):
    """The rates of a scheduler, `plain`, as an edit at step 6 changes them."""
    rates = plain.copy()
    if edit == "scale":
        rates[6:] *= 0.5
    elif edit == "set":
        rates[6:] *= 0.0123 / plain[6].max()
    elif edit == "hold":
        rates[6:] = plain[6]
    elif edit == "undo":
        rates[4:6] *= 0.5
    elif edit in {"release", "undo a hold"}:
        rates[4:6] = plain[4]
    elif edit == "decay":
        down = np.clip(1 - np.arange(len(plain) - 6) / 8, 0, None)
        rates[6:] = plain[6] * down[:, None]
    else:
        rates[6:, 1] *= 0.5
    return rates


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_edit_survives_every_torch_scheduler_and_a_resume(name, edit):
    scheduler, optimizer, _ = begin(name, attached=False)
    plain = np.array(drive(scheduler, optimizer, None, steps=range(20), edits={}, used=[]))
    scheduler, optimizer, run = begin(name, attached=True)
    used = drive(scheduler, optimizer, run, steps=range(10), edits=EDITS[edit], used=[])
    saved = json.loads(json.dumps(run.state_dict()))
    states = scheduler.state_dict(), optimizer.state_dict()
    for with_optimizer in (True, False):
        again, other, resumed = begin(name, attached=True)
        again.load_state_dict(copy.deepcopy(states[0]))
        if with_optimizer:
            other.load_state_dict(states[1])
        else:  # the rates are in the optimizer's state, so a scheduler alone has lost them
            for group, rate in zip(other.param_groups, optimizer.param_groups, strict=True):
                group["lr"] = rate["lr"]
        resumed.load_state_dict(saved)
        rates = drive(again, other, resumed, steps=range(10, 20), edits={}, used=list(used))
        np.testing.assert_allclose(rates, expected(plain, edit), rtol=1e-12)
        resumed.finish()
    run.finish()


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_schedule_keeps_every_edit_whatever_torch_scheduler_is_still_stepped(name, edit):
    used, base = [], read("0.1 * cosine(20)")
    optimizer = optimizer_of(make_model(), momentum=0.0)
    scheduler = SCHEDULERS[name](optimizer)
    for group, rate in zip(optimizer.param_groups, (0.1, 0.01), strict=True):
        group["initial_lr"] = rate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = learnrate.attach(optimizer, base, store=False)
        drive(scheduler, optimizer, run, steps=range(10), edits=EDITS[edit], used=used)
        saved = json.loads(json.dumps(run.state_dict()))
        run.finish()
        resumed = learnrate.attach(optimizer, base, store=False)
        resumed.load_state_dict(saved)  # without any other state
        drive(scheduler, optimizer, resumed, steps=range(10, 14), edits={}, used=used)
    plain = base.table()[:14, None] * np.array([1.0, 0.1])
    np.testing.assert_allclose(used, expected(plain, edit)[:14], rtol=1e-12)


# Failures


def test_a_store_that_fails_for_a_while_loses_no_edit_and_applies_none_twice(place, monkeypatch):
    steered = Steered(place, "0.1 * constant(100000)").train(3)
    run, mailbox = steered.run, steered.run._edits.mailbox
    run.recorder.flush()
    store = Store(place)
    request(store, run.id, "scale", 0.5, author="ann")
    answer_edit = Store.answer_edit
    calls = []

    def fail_after_the_answer(self, *args, **kwargs):
        calls.append(answer_edit(self, *args, **kwargs))
        if len(calls) < 3:
            raise StoreError("the connection was lost")
        return calls[-1]

    monkeypatch.setattr(Store, "answer_edit", fail_after_the_answer)
    end = time.monotonic() + HANG
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while len(calls) < 3 and time.monotonic() < end:
            mailbox.exchange(0.05)
            steered.train(run.next_step + 1)
            run.recorder.wake()
        monkeypatch.undo()
        request(store, run.id, "scale", 0.5, author="ann")
        mailbox.exchange()
        steered.train(run.next_step + 2)
        run.finish()
    assert calls == [True, False, False]
    assert run.lr == 0.025
    assert [edit.status for edit in store.edits(run.id)] == ["applied", "applied"]


def test_a_clock_that_jumps_changes_neither_order_nor_rates(place, monkeypatch):
    steered = Steered(place, "0.1 * constant(1000)").train(3)
    times = iter([3e9, 1.0, 2e9, 5.0] + [1.7e9] * 1000)
    real = time.time
    for index, words in enumerate(["scale 0.5", "set 0.07", "scale 0.1", "set 0.02"]):
        steered.train(5 + index)
        with monkeypatch.context() as patched, contextlib.suppress(ArgumentError):
            now = next(times)
            patched.setattr(
                "learnrate.store._store.time.time",
                lambda now=now: now if threading.current_thread().name != "learnrate" else real(),
            )
            steered.run._edits.mailbox.exchange()
            Store(place).add_edit(
                steered.run.id, *words.split()[:1], float(words.split()[1]), author="ann"
            )
    steered.run._edits.mailbox.exchange()
    steered.train(20)
    steered.run.finish()
    edits = Store(place).edits(steered.run.id)
    assert [edit.position for edit in edits] == list(range(1, len(edits) + 1))
    assert [rates[0] for rates in steered.used] == replayed(Store(place), "last").lr[:20].tolist()
