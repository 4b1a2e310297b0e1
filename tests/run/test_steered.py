"""Runs that are steered: from the store, the shell and the loop; under every scheduler; replayed."""

import contextlib
import copy
import json
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from torch.optim import SGD, lr_scheduler, swa_utils

import learnrate
from learnrate import ArgumentError, Store, StoreError
from learnrate.controllers import Plateau
from learnrate.edits import Edited, Limits
from learnrate.schedules import schedule as read
from learnrate.steering import edits_of, ratios_of, replayed, request
from learnrate.steering._replayed import observations_as_edited
from learnrate.watch import diagnose
from processes import HANG

X = torch.randn(16, 5, generator=torch.Generator().manual_seed(1))
SCHEDULE = "0.1 * warmup(4) >> constant(36) >> linear(20)"


def make_model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))


def optimizer_of(model, momentum=0.9):
    groups = [
        {"params": model[0].parameters(), "lr": 0.1},
        {"params": model[2].parameters(), "lr": 0.01},
    ]
    return SGD(groups, lr=0.1, momentum=momentum)


def update(model, optimizer):
    optimizer.zero_grad()
    loss = (model(X) - X.sum(1, keepdim=True)).square().mean()
    loss.backward()
    optimizer.step()
    return loss.item()


class Steered:
    """A run and its loop; `asked` are words by the step at which the loop says them."""

    def __init__(self, place, schedule=SCHEDULE, **options):
        self.model = make_model()
        self.optimizer = optimizer_of(self.model)
        self.used = []
        self.run = learnrate.attach(
            self.optimizer, schedule, store=place, model=self.model, **options
        )
        self.optimizer.register_step_post_hook(
            lambda o, *_: self.used.append([group["lr"] for group in o.param_groups])
        )

    def train(self, until, asked=None):
        while not self.run.done and self.run.next_step < until:
            words = (asked or {}).pop(self.run.next_step, None)
            for each in [words] if isinstance(words, str) else words or []:
                self.run.steer(each, author="ann", reason="a try")
            if self.run.done:
                break
            self.run.step(update(self.model, self.optimizer))
        return self


@pytest.fixture
def place(tmp_path):
    return tmp_path / "runs.db"


def test_what_the_loop_asks_for_holds_for_the_next_update_and_is_stored(place):
    steered = Steered(place)
    steered.train(99, {20: "scale 0.5", 30: ["hold", "scale 0.5"], 35: "release", 45: "decay 10"})
    steered.run.finish()
    store = Store(place)
    edits = store.edits(steered.run.id)
    assert [(one.kind, one.step, one.status) for one in edits] == [
        ("scale", 20, "applied"),
        ("hold", 30, "applied"),
        ("scale", 30, "applied"),
        ("release", 35, "applied"),
        ("decay", 45, "applied"),
    ]
    assert {(one.author, one.reason) for one in edits} == {("ann", "a try")}
    assert edits[0].answer == "rate 0.1 -> 0.05"
    found = store.run(steered.run.id)
    assert (found.total_steps, found.step, found.status) == (55, 55, "finished")
    whole = Edited(read(SCHEDULE), edits_of(edits), ratios_of(found))
    used = np.array(steered.used)
    assert used[:, 0].tolist() == whole.schedule.table().tolist()
    assert used.tolist() == [list(whole.rates(step)) for step in range(55)]
    assert store.observations(found.id).column("lr").tolist() == used[:, 0].tolist()


def test_a_request_is_taken_up_within_two_seconds_or_ten_steps(place):
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
    (found,) = Store(place).edits(run.id)
    assert (found.sequence, found.status) == (edit.sequence, "applied")
    assert steered.used[found.step - 1][0] == 0.1


def test_a_groups_edit_leaves_the_others_alone(place):
    steered = Steered(place)
    steered.train(10)
    steered.run.steer("scale 0.5", group=1)
    steered.train(12)
    steered.run.finish()
    table = read(SCHEDULE).table()
    assert [rates[0] for rates in steered.used] == table[:12].tolist()
    assert steered.used[11][1] == pytest.approx(0.05 * table[11])
    assert Store(place).points(steered.run.id).columns["lr[1]"][11] == steered.used[11][1]


def test_a_stopped_run_says_by_whom_and_why(place):
    steered = Steered(place).train(99, {7: "stop"})
    steered.run.finish()
    assert (steered.run.done, steered.run.next_step) == (True, 7)
    assert steered.run.stopped == "stopped by ann: a try"
    assert Store(place).run(steered.run.id).status == "stopped"


def test_a_rollback_brings_back_weights_momentum_and_rate(place):
    steered = Steered(place).train(10, {5: "snapshot"})
    kept = [value.clone() for value in steered.model.parameters()]
    steered.run.steer("rollback 5")
    assert (steered.run.next_step, steered.run.lr) == (5, read(SCHEDULE)(5))
    steered.train(10)
    assert all(
        torch.equal(one, other)
        for one, other in zip(kept, steered.model.parameters(), strict=True)
    )
    steered.run.finish()
    assert [one.begins for one in Store(place).attempts(steered.run.id)] == [0, 5]


def test_a_rollback_to_nowhere_names_the_steps_there_are(place):
    steered = Steered(place).train(10, {3: "snapshot", 6: "snapshot"})
    with pytest.raises(ArgumentError, match="no snapshot of step 4; there are those of 3, 6"):
        steered.run.steer("rollback 4")
    steered.run.finish()


def test_limits_hold_for_a_request_and_again_where_it_is_applied(place):
    steered = Steered(place, limits=Limits(highest=0.15, authors=("ann", "ben"))).train(9)
    run, store = steered.run, Store(place)
    run.recorder.flush()
    with pytest.raises(ArgumentError, match=r"lead to the rate 0.2; this run allows 0.15"):
        request(store, run.id, "scale", 2.0, author="ann")
    with pytest.raises(ArgumentError, match="carl may not edit this run"):
        request(store, run.id, "hold", author="carl")
    assert store.edits(run.id) == []
    store.add_edit(run.id, "scale", 2.0, author="ben")  # by somebody who does not ask
    steered.run._steering.mailbox.fetch()
    steered.train(12)
    run.finish()
    (found,) = store.edits(run.id)
    assert (found.status, found.step) == ("refused", None)
    assert "0.15 at most" in found.answer
    assert steered.used[11][0] == 0.1


def test_of_two_at_once_none_is_lost_and_all_is_in_order(place):
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
    run._steering.mailbox.fetch()
    steered.train(run.next_step + 2)
    run.finish()
    edits = Store(place).edits(run.id)
    assert [one.sequence for one in edits] == [one.position for one in edits] == list(range(1, 21))
    assert sorted(one.author for one in edits) == ["ann"] * 10 + ["ben"] * 10
    assert {one.status for one in edits} == {"applied"}
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


def test_what_a_controller_changes_is_an_edit_and_a_hold_keeps_it_from_asking(place):
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
    cuts = [one.step for one in edits if one.author == "Plateau"]
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
    "group": {6: ("scale 0.5", 1)},
}


def drive(scheduler, optimizer, run, *, steps, asked, used):
    """Updates without a model: only the rates count here."""
    for step in steps:
        if step in asked and run is not None:
            words, group = asked[step] if isinstance(asked[step], tuple) else (asked[step], None)
            run.steer(words, group=group, author="ann")
        seen = []
        handle = optimizer.register_step_pre_hook(
            lambda o, *_, seen=seen: seen.extend(group["lr"] for group in o.param_groups)
        )
        optimizer.step()
        handle.remove()
        used.append(seen)
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
    """The rates that a scheduler's own, `plain`, become by an edit at step 6."""
    made = plain.copy()
    if edit == "scale":
        made[6:] *= 0.5
    elif edit == "set":
        made[6:] *= 0.0123 / plain[6].max()
    elif edit == "hold":
        made[6:] = plain[6]
    elif edit == "release":
        made[4:6] = plain[4]
    elif edit == "decay":
        down = np.clip(1 - np.arange(len(plain) - 6) / 8, 0, None)
        made[6:] = plain[6] * down[:, None]
    else:
        made[6:, 1] *= 0.5
    return made


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_edit_survives_every_torch_scheduler_and_a_resume(name, edit):
    scheduler, optimizer, _ = begin(name, attached=False)
    plain = np.array(drive(scheduler, optimizer, None, steps=range(20), asked={}, used=[]))
    scheduler, optimizer, run = begin(name, attached=True)
    used = drive(scheduler, optimizer, run, steps=range(10), asked=EDITS[edit], used=[])
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
        rates = drive(again, other, resumed, steps=range(10, 20), asked={}, used=list(used))
        np.testing.assert_allclose(rates, expected(plain, edit), rtol=1e-12)
        resumed.finish()
    run.finish()


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_schedule_of_ours_keeps_every_edit_whatever_scheduler_is_still_stepped(name, edit):
    used, base = [], read("0.1 * cosine(20)")
    optimizer = optimizer_of(make_model(), momentum=0.0)
    scheduler = SCHEDULERS[name](optimizer)
    for group, rate in zip(optimizer.param_groups, (0.1, 0.01), strict=True):
        group["initial_lr"] = rate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = learnrate.attach(optimizer, base, store=False)
        drive(scheduler, optimizer, run, steps=range(10), asked=EDITS[edit], used=used)
        saved = json.loads(json.dumps(run.state_dict()))
        run.finish()
        resumed = learnrate.attach(optimizer, base, store=False)
        resumed.load_state_dict(saved)  # without any other state
        drive(scheduler, optimizer, resumed, steps=range(10, 14), asked={}, used=used)
    plain = base.table()[:14, None] * np.array([1.0, 0.1])
    np.testing.assert_allclose(used, expected(plain, edit)[:14], rtol=1e-12)


# Replay


def test_a_replay_has_the_rates_of_the_run_to_the_bit_rollbacks_included(place):
    asked = {
        12: "snapshot",
        14: "scale 0.5",
        20: "rollback 12",
        15: "set 0.03",
        30: "stretch 90",
        50: "decay 20",
    }
    steered = Steered(place).train(999, asked)
    steered.run.finish()
    store = Store(place)
    found = replayed(store, "last")
    seen = store.observations(found.run)
    assert found.lr.tolist() == seen.column("lr").tolist()
    assert found.schedule.table().tolist() == found.lr.tolist()
    again = Steered(place, edits=found.again, schedule=found.base).train(999)
    assert again.used == steered.used
    assert all(
        torch.equal(one, other)
        for one, other in zip(steered.model.parameters(), again.model.parameters(), strict=True)
    )
    again.run.finish()
    repeated = replayed(store, again.run.id)  # whose record says the same, and by whom
    assert (repeated.edits, repeated.schedule) == (found.edits, found.schedule)
    assert [one.begins for one in store.attempts(again.run.id)] == [0, 12]


def test_a_replay_of_a_torch_schedulers_run_is_the_table_of_its_rates(place):
    model = make_model()
    optimizer = optimizer_of(model)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
    with learnrate.attach(optimizer, None, store=place) as run:
        for step in range(8):
            if step == 5:
                run.steer("scale 0.5", author="ann")
            loss = update(model, optimizer)
            scheduler.step()
            run.step(loss)
    found = replayed(Store(place), run.id)
    np.testing.assert_allclose(found.lr, 0.1 * 0.9 ** np.arange(8) * ([1] * 5 + [0.5] * 3))
    assert found.schedule.table().tolist() == found.lr.tolist()
    again = Steered(False, schedule=found.base, edits=found.again).train(99)
    assert [rates[0] for rates in again.used] == found.lr.tolist()


def test_what_a_person_changed_is_no_finding_live_nor_afterwards(place):
    schedule = "0.1 * warmup(10) >> linear(290)"
    edits = {60: ["scale 0.8", "scale 0.9"], 150: "hold", 200: "decay 60"}
    steered = Steered(place, schedule).train(999, edits)
    steered.run.finish()
    store = Store(place)
    of_the_rate = {"LR301", "LR302", "LR303", "LR304", "LR305", "LR306", "LR308"}
    assert of_the_rate & {one.code for one in store.findings(steered.run.id)} == set()
    seen = observations_as_edited(store, steered.run.id)
    assert of_the_rate & {one.code for one in diagnose(seen).findings} == set()
    unaware = diagnose(store.observations(steered.run.id)).findings
    assert of_the_rate & {one.code for one in unaware} != set()


# What goes wrong


def test_a_store_that_is_gone_for_a_while_loses_no_edit_and_applies_none_twice(place, monkeypatch):
    steered = Steered(place, "0.1 * constant(100000)").train(3)
    run, mailbox = steered.run, steered.run._steering.mailbox
    run.recorder.flush()
    store = Store(place)
    request(store, run.id, "scale", 0.5, author="ann")
    answer_edit = Store.answer_edit
    calls = []

    def lost_after_it_was_done(self, *args, **kwargs):
        calls.append(answer_edit(self, *args, **kwargs))
        if len(calls) < 3:
            raise StoreError("the connection was lost")
        return calls[-1]

    monkeypatch.setattr(Store, "answer_edit", lost_after_it_was_done)
    end = time.monotonic() + HANG
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while len(calls) < 3 and time.monotonic() < end:
            mailbox.fetch(0.05)
            steered.train(run.next_step + 1)
            run.recorder.wake()
        monkeypatch.undo()
        request(store, run.id, "scale", 0.5, author="ann")
        mailbox.fetch()
        steered.train(run.next_step + 2)
        run.finish()
    assert calls == [True, False, False]
    assert run.lr == 0.025
    assert [one.status for one in store.edits(run.id)] == ["applied", "applied"]


def test_a_clock_that_jumps_changes_neither_order_nor_rates(place, monkeypatch):
    steered = Steered(place, "0.1 * constant(1000)").train(3)
    times = iter([3e9, 1.0, 2e9, 5.0] + [1.7e9] * 1000)
    real = time.time
    for at, words in enumerate(["scale 0.5", "set 0.07", "scale 0.1", "set 0.02"]):
        steered.train(5 + at)
        with monkeypatch.context() as patched, contextlib.suppress(ArgumentError):
            now = next(times)
            patched.setattr(
                "learnrate.store._store.time.time",
                lambda now=now: now if threading.current_thread().name != "learnrate" else real(),
            )
            steered.run._steering.mailbox.fetch()
            Store(place).add_edit(
                steered.run.id, *words.split()[:1], float(words.split()[1]), author="ann"
            )
    steered.run._steering.mailbox.fetch()
    steered.train(20)
    steered.run.finish()
    edits = Store(place).edits(steered.run.id)
    assert [one.position for one in edits] == list(range(1, len(edits) + 1))
    assert [rates[0] for rates in steered.used] == replayed(Store(place), "last").lr[:20].tolist()
