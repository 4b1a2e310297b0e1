"""attach: the rates of a training loop, and what is recorded of it."""

import gc
import math
import os
import textwrap
import warnings

import numpy as np
import pytest
import torch
from torch.optim import SGD, Adam, AdamW, lr_scheduler

import learnrate
from learnrate import ArgumentError, ScheduleError, Store
from learnrate.controllers import Plateau
from learnrate.edits import edit_in
from learnrate.run import Measure
from learnrate.run._live_watch import LiveWatch
from learnrate.schedules import Cosine, warmup_cosine
from learnrate.schedules import schedule as read
from learnrate.store._database import Database
from learnrate.store._tables import runs
from learnrate.torch_scheduler import to_torch
from learnrate.watch import Observations, diagnose
from warm import finished_warm


def make_model(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))


HALF = edit_in("scale 0.5", author="ann")  # without a step
X = torch.randn(16, 5, generator=torch.Generator().manual_seed(1))


def make_update(model, optimizer, scale=1.0):
    optimizer.zero_grad()
    loss = scale * (model(X) - X.sum(1, keepdim=True)).square().mean()
    loss.backward()
    optimizer.step()
    return loss


def groups_of(model, *rates):
    return [
        {"params": layer.parameters(), "lr": rate}
        for layer, rate in zip((model[0], model[2]), rates, strict=True)
    ]


@pytest.fixture
def place(tmp_path):
    return tmp_path / "runs.db"


def observations_of(place, run):
    return Store(place, create=False).observations(run.id)


SCHEDULE = "0.1 * warmup(4) >> linear(16)"


def test_every_update_uses_the_rate_of_the_schedule_including_the_first(place):
    model = make_model()
    optimizer = SGD(groups_of(model, 0.01, 0.001))
    used = []
    with learnrate.attach(optimizer, SCHEDULE, store=place) as run:
        for _ in range(20):
            used.append([group["lr"] for group in optimizer.param_groups])
            run.step(make_update(model, optimizer))
    expected = read(SCHEDULE).table()
    assert [rates[0] for rates in used] == expected.tolist()
    assert [rates[1] for rates in used] == [rate * 0.1 for rate in expected.tolist()]
    assert observations_of(place, run).column("lr").tolist() == expected.tolist()


def test_it_is_the_same_training_as_under_a_scheduler_of_torch(place):
    ends = []
    for attached in (True, False):
        model = make_model()
        optimizer = AdamW(groups_of(model, 0.01, 0.001))
        if attached:
            run = learnrate.attach(optimizer, SCHEDULE, store=place)
        else:
            scheduler = to_torch(read(SCHEDULE), optimizer)
        for _ in range(20):
            loss = make_update(model, optimizer)
            run.step(loss) if attached else scheduler.step()
        ends.append([value.clone() for value in model.parameters()])
    run.finish()
    assert all(torch.equal(first, second) for first, second in zip(*ends, strict=True))


def test_the_recorded_values_are_those_of_the_updates(place):
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses, norms, ratios = [], [], []
    with learnrate.attach(
        optimizer,
        "0.1",
        store=place,
        total_steps=12,
        measure=Measure(gradient_every=1, update_every=1),
        model=model,
    ) as run:
        for step in range(12):
            before = torch.cat([value.detach().flatten() for value in model.parameters()])
            loss = make_update(model, optimizer)
            after = torch.cat([value.detach().flatten() for value in model.parameters()])
            gradient = torch.cat([value.grad.flatten() for value in model.parameters()])
            losses.append(loss.item())
            norms.append(gradient.norm().item())
            ratios.append(((after - before).norm() / after.norm()).item())
            run.step(loss)
            if step == 5:
                run.validation(torch.tensor(0.25))
    observations = observations_of(place, run)
    assert observations.step.tolist() == list(range(12))
    assert observations.column("loss").tolist() == losses
    assert observations.column("gradient_norm") == pytest.approx(norms, rel=1e-6)
    assert observations.column("update_ratio") == pytest.approx(ratios, rel=1e-4)
    assert np.flatnonzero(~np.isnan(observations.column("validation"))).tolist() == [5]
    assert (observations.column("seconds")[1:] > 0).all()
    assert not observations.has("clipped")
    assert observations.facts["optimizer"] == "SGD"
    assert observations.facts["momentum"] == 0.9
    assert "schedule_free" not in observations.facts
    assert observations.total_steps == 12


class AveragingSGD(SGD):
    """An optimizer that has the methods of a schedule-free one."""

    def train(self):
        """Use the weights of the gradient."""

    def eval(self):
        """Use the averaged weights."""


def test_a_schedule_free_optimizer_is_recorded_as_one(tmp_path):
    optimizer = AveragingSGD(make_model().parameters(), lr=0.1)
    with learnrate.attach(optimizer, "0.1 * constant()", store=tmp_path / "a.db") as run:
        pass
    assert observations_of(tmp_path / "a.db", run).facts["schedule_free"] is True


def test_the_ratio_of_a_large_model_is_estimated_from_a_sample(place):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(400, 500), torch.nn.Linear(500, 7))
    optimizer = SGD(model.parameters(), lr=0.05)
    with learnrate.attach(optimizer, None, store=place, measure=Measure(update_every=1)) as run:
        before = torch.cat([value.detach().flatten() for value in model.parameters()])
        optimizer.zero_grad()
        model(torch.randn(8, 400)).square().sum().backward()
        optimizer.step()
        run.step(0.0)
    after = torch.cat([value.detach().flatten() for value in model.parameters()])
    exact = ((after - before).norm() / after.norm()).item()
    assert observations_of(place, run).column("update_ratio")[0] == pytest.approx(exact, rel=0.1)


def test_it_clips_as_torch_does_and_records_the_norm_before(place):
    ends = []
    for attached in (True, False):
        model = make_model()
        optimizer = SGD(model.parameters(), lr=0.1)
        norms = []
        if attached:
            run = learnrate.attach(
                optimizer, 0.1, store=place, measure=Measure(clip_norm=1.0), total_steps=10
            )
        for step in range(10):
            optimizer.zero_grad()
            loss = (3.0 if step % 2 else 0.01) * (model(X) - 1).square().mean()
            loss.backward()
            if not attached:
                norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
            optimizer.step()
            if attached:
                run.step(loss)
        ends.append([value.clone() for value in model.parameters()])
    run.finish()
    observations = observations_of(place, run)
    assert all(torch.equal(first, second) for first, second in zip(*ends, strict=True))
    assert observations.column("gradient_norm").tolist() == norms
    assert observations.column("clipped").tolist() == [float(norm > 1.0) for norm in norms]
    assert 0 < sum(norm > 1.0 for norm in norms) < 10


def test_a_row_for_several_updates_has_the_share_that_was_clipped(place):
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.0)
    with learnrate.attach(
        optimizer, 0.0, store=place, measure=Measure(clip_norm=1.0, every=4), total_steps=9
    ) as run:
        for step in range(9):
            run.step(make_update(model, optimizer, scale=100.0 if step in {1, 2, 4} else 1e-6))
    observations = observations_of(place, run)
    assert observations.step.tolist() == [0, 4, 8]
    assert observations.column("clipped").tolist() == [0.0, 0.75, 0.0]


@pytest.mark.parametrize("every", [1, 4])
def test_clipping_of_the_loops_own_is_known_from_the_norms_before_and_after(place, every):
    """The loop passes its norm before clipping; the run measures the norm at the update."""
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.01)
    measure = Measure(every=every, gradient_every=1)
    with learnrate.attach(optimizer, 0.01, store=place, total_steps=40, measure=measure) as run:
        for step in range(40):
            optimizer.zero_grad()
            loss = (1e-6 if step % 5 == 0 else 100.0) * (model(X) - 1).square().mean()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            run.step(loss, gradient_norm=norm)
    clipped = observations_of(place, run).column("clipped")
    assert clipped[~np.isnan(clipped)].tolist() == [
        float(step % 5 > 0) for step in range(0, 40, every)
    ]
    findings = diagnose(observations_of(place, run)).findings
    assert ("LR105" in {finding.code for finding in findings}) == (every == 1)  # needs ten rows


TORCH_SCHEDULERS = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, 5),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 20),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=30),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda step: 0.9),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, total_iters=10),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 4, cycle_momentum=False),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=2),
}


@pytest.mark.parametrize("name", TORCH_SCHEDULERS)
def test_a_factor_on_top_survives_every_torch_scheduler(name):
    rates = {}
    for halved in (False, True):
        model = make_model()
        optimizer = SGD(groups_of(model, 0.1, 0.01), momentum=0.9)
        scheduler = TORCH_SCHEDULERS[name](optimizer)
        run = learnrate.attach(optimizer, None, store=False)
        used = []
        optimizer.register_step_post_hook(
            lambda o, *_, run=run, used=used: used.append(run._rates._used[0])
        )
        for step in range(20):
            make_update(model, optimizer)
            plateau = isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
            scheduler.step(1.0) if plateau else scheduler.step()
            run.step(1.0)
            if halved and step == 3:
                run.steer("scale 0.5", reason="too high")
        rates[halved] = np.array(used)
        run.finish()
    assert rates[False].shape == (20, 2)
    np.testing.assert_array_equal(rates[True][:4], rates[False][:4])
    np.testing.assert_allclose(rates[True][4:], 0.5 * rates[False][4:], rtol=1e-12)


def test_rates_that_leave_their_ratio_are_recorded_group_by_group(place):
    model = make_model()
    optimizer = SGD(groups_of(model, 0.1, 0.01))
    scheduler = lr_scheduler.LambdaLR(optimizer, [lambda _: 1.0, lambda step: 1.0 + (step > 1)])
    with learnrate.attach(optimizer, None, store=place) as run:
        for _ in range(4):
            loss = make_update(model, optimizer)
            scheduler.step()
            run.step(loss)
    points = Store(place).points(run.id)
    assert points.columns["lr"].tolist() == [0.1] * 4
    assert np.isnan(points.columns["lr[1]"]).tolist() == [True, True, False, False]
    assert points.columns["lr[1]"][2:].tolist() == [0.02, 0.02]


def test_a_torch_scheduler_is_continued_from_its_present_step(place):
    expected = []
    for adopted in (False, True):
        model = make_model()
        optimizer = SGD(model.parameters(), lr=0.1)
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 20)
        for _ in range(5):
            make_update(model, optimizer)
            scheduler.step()
        if adopted:
            run = learnrate.attach(optimizer, scheduler, store=place, total_steps=20)
            assert run.next_step == 5
        for _ in range(5, 20):
            if not adopted:
                expected.append(optimizer.param_groups[0]["lr"])
            loss = make_update(model, optimizer)
            scheduler.step()  # it is still stepped, without effect
            if adopted:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    run.step(loss)
    run.finish()
    observations = observations_of(place, run)
    assert observations.step.tolist() == list(range(5, 20))
    np.testing.assert_allclose(observations.column("lr"), expected, rtol=1e-9)


def test_another_writer_of_the_rate_has_no_effect_and_causes_one_warning(place):
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with learnrate.attach(optimizer, "0.1 * linear(10)", store=place) as run:
            for _ in range(10):
                optimizer.param_groups[0]["lr"] = 7.0
                run.step(make_update(model, optimizer))
    assert ["something else keeps" in str(warning.message) for warning in caught] == [True]
    assert (
        observations_of(place, run).column("lr").tolist()
        == read("0.1 * linear(10)").table().tolist()
    )


def test_calls_without_an_update_change_nothing(place):
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.1)
    with learnrate.attach(optimizer, "0.1 * linear(10)", store=place) as run:
        for micro in range(12):
            loss = (model(X) - 1).square().mean()
            (loss / 4).backward()
            if micro % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
            run.step(loss)
    assert run.next_step == 3
    assert run.skipped == 9
    assert observations_of(place, run).step.tolist() == [0, 1, 2]


@pytest.mark.parametrize("fused", [False, True])
def test_an_update_that_a_gradient_scaler_skips_is_not_a_step(place, fused):
    model = make_model()
    optimizer = Adam(model.parameters(), lr=0.1, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with learnrate.attach(
        optimizer, "0.1 * linear(10)", store=place, measure=Measure(clip_norm=0.5), total_steps=10
    ) as run:
        for step in range(6):
            optimizer.zero_grad()
            loss = (model(X) - 1).square().mean()
            scaler.scale(loss).backward()
            if step == 2:
                model[0].weight.grad[0, 0] = math.inf
            scaler.step(optimizer)
            scaler.update()
            run.step(loss)
    observations = observations_of(place, run)
    assert np.isfinite(observations.column("gradient_norm")).all()
    assert observations.step.tolist() == list(range(5))
    assert run.skipped == 1
    assert (
        observations.column("gradient_norm") < 10
    ).all()  # the gradient's own, not the scaled one's


def test_several_optimizers_share_a_schedule_and_keep_their_ratio(place):
    model = make_model()
    first = SGD(model[0].parameters(), lr=0.4)
    second = Adam(model[2].parameters(), lr=0.1)
    with learnrate.attach(
        [first, second], "0.8 * linear(4)", store=place, measure=Measure(gradient_every=1)
    ) as run:
        assert (first.param_groups[0]["lr"], second.param_groups[0]["lr"]) == (0.8, 0.2)
        for _ in range(4):
            first.zero_grad()
            second.zero_grad()
            loss = (model(X) - 1).square().mean()
            loss.backward()
            whole = torch.cat([value.grad.flatten() for value in model.parameters()]).norm()
            first.step()
            second.step()
            run.step(loss)
    observations = observations_of(place, run)
    assert observations.column("lr").tolist() == read("0.8 * linear(4)").table().tolist()
    assert observations.column("gradient_norm")[-1] == pytest.approx(whole.item(), rel=1e-6)


def test_a_group_added_later_follows_from_its_first_update(place):
    model = make_model()
    optimizer = SGD(model[0].parameters(), lr=0.1)
    with learnrate.attach(optimizer, "0.1 * linear(10)", store=False) as run:
        run.step(make_update(model, optimizer))
        optimizer.add_param_group({"params": model[2].parameters(), "lr": 0.05})
        run.step(make_update(model, optimizer))
        rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == [read("0.1 * linear(10)")(2), read("0.1 * linear(10)")(2) * 0.5]


def test_controllers_multiply_the_rate_and_their_changes_are_kept(place):
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.1)
    plateau = Plateau(window=10, improvement=0.5, cooldown=0)
    with learnrate.attach(
        optimizer, 0.1, store=place, total_steps=40, controllers=[plateau], model=model
    ) as run:
        for _ in range(40):
            make_update(model, optimizer, scale=0.0)
            run.step(1.0)
    assert run.changes
    assert observations_of(place, run).column("lr").tolist() == [
        run.controlled.lr(s) for s in range(40)
    ]


def test_ranks_without_a_process_group_train_on_their_own(place, monkeypatch):
    launcher = {"RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": 1}
    for name, value in launcher.items():
        monkeypatch.setenv(name, str(value))
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.1)
    with learnrate.attach(optimizer, "0.1 * linear(2)", store=place) as run:
        run.steer("scale 0.5")
        run.step(make_update(model, optimizer))
    assert observations_of(place, run).column("lr").tolist() == [0.05]


@pytest.mark.parametrize("loaded_last", ["optimizer", "run"])
def test_a_resumed_run_continues_to_the_last_bit_also_in_the_store(place, loaded_last):
    def begin(store=place):
        model = make_model()
        optimizer = AdamW(groups_of(model, 0.01, 0.001))
        plateau = Plateau(window=10, improvement=0.9, cooldown=0, factor=0.5)
        options = {"store": store, "total_steps": 30, "controllers": [plateau]}
        return model, optimizer, learnrate.attach(optimizer, "0.01 * linear()", **options)

    def train(model, optimizer, run, steps):
        return [
            (run.lr, run.step(loss) or loss.item())
            for loss in (make_update(model, optimizer) for _ in range(steps))
        ]

    model, optimizer, run = begin(False)
    whole = train(model, optimizer, run, 30)
    run.finish()

    model, optimizer, run = begin()
    first = train(model, optimizer, run, 12)
    saved = [part.state_dict() for part in (model, optimizer, run)]
    saved = torch.load(_saved(saved, place.parent / "checkpoint.pt"))
    train(model, optimizer, run, 5)  # lost: the process was killed after its last checkpoint
    name = run.id
    run.finish("stopped")

    model, optimizer, run = begin()
    model.load_state_dict(saved[0])
    order = ["run", "optimizer"] if loaded_last == "optimizer" else ["optimizer", "run"]
    for part in order:
        if part == "run":
            run.load_state_dict(saved[2])
        else:
            optimizer.load_state_dict(saved[1])
    rest = train(model, optimizer, run, 18)
    run.finish()
    assert first[-1] == whole[11]
    assert [first[:-1], rest[:-1]] == [whole[:11], whole[12:29]]
    assert run.id == name
    store = Store(place)
    assert [stored.id for stored in store.runs()] == [name]
    points = store.points(name)
    assert points.step.tolist() == list(range(30))
    assert points.attempt.tolist() == [0] * 12 + [1] * 18
    assert points.columns["loss"].tolist() == [loss for _, loss in whole]


def test_a_branch_of_a_stable_run_is_a_separate_run_and_ends_like_a_whole_run(place):
    stable = read("0.1 * warmup(4) >> constant(40)")
    decayed = stable.cooldown(12, 6)

    def begin(schedule):
        model = make_model()
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
        return model, optimizer, learnrate.attach(optimizer, schedule, store=place)

    def train(model, optimizer, run, steps):
        for _ in range(steps):
            run.step(make_update(model, optimizer))
        run.finish()
        return [parameter.tolist() for parameter in model.parameters()]

    whole = train(*begin(decayed), 18)
    model, optimizer, run = begin(stable)
    for _ in range(12):
        run.step(make_update(model, optimizer))
    saved = [part.state_dict() for part in (model, optimizer, run)]
    saved = torch.load(_saved(saved, place.parent / "checkpoint.pt"))
    run.steer("scale 0.5")
    train(model, optimizer, run, 3)

    model, optimizer, branch = begin(decayed)
    model.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    branch.load_state_dict(saved[2], branch=True)
    assert [branch.next_step, branch.total_steps, branch.lr] == [12, 18, 0.1]
    branch.steer("scale 1")  # it takes edits of its own
    assert train(model, optimizer, branch, 6) == whole
    assert branch.id != run.id
    store = Store(place)
    assert store.observations(run.id).step.tolist() == list(range(15))
    assert store.observations(branch.id).step.tolist() == list(range(12, 18))
    reasons = [attempt.reason for attempt in store.attempts(branch.id)]
    assert reasons[-1] == f"branch of {run.id} at step 12"
    assert store.run(branch.id).schedule == decayed


def test_a_run_that_another_process_still_trains_is_not_continued(place):
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.1)
    run = learnrate.attach(optimizer, 0.1, store=place, total_steps=4)
    run.step(make_update(model, optimizer))
    state = run.state_dict()
    run.finish()
    store = Store(place)
    with store.writing() as connection:
        values = {"status": "running", "pid": os.getppid()}
        connection.execute(runs.update().where(runs.c.id == run.id).values(values))
    with learnrate.attach(optimizer, 0.1, store=place, total_steps=4) as other:
        other.load_state_dict(state)
        other.step(make_update(model, optimizer))
    assert other.id != run.id
    assert store.observations(other.id).step.tolist() == [1]
    assert store.observations(run.id).step.tolist() == [0]
    assert store.run(run.id).live


def _saved(value, path):
    torch.save(value, path)
    return path


def test_resuming_under_another_schedule_must_be_requested(place):
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.1)
    run = learnrate.attach(optimizer, "0.1 * linear(10)", store=place)
    run.step(make_update(model, optimizer))
    state = run.state_dict()
    run.finish()
    run = learnrate.attach(optimizer, "0.05 * linear(10)", store=place)
    with pytest.raises(ArgumentError, match=r"saved under 0.1 \* linear\(10\).*change_schedule"):
        run.load_state_dict(state)
    assert run.next_step == 0
    run.load_state_dict(state, change_schedule=True)
    assert run.lr == read("0.05 * linear(10)")(1)
    assert run.edited.schedule(0) == 0.1, "the update before the resume keeps the rate it had"
    run.finish()
    reasons = [attempt.reason for attempt in Store(place).attempts(run.id)]
    assert reasons == ["started", "resumed; previously under 0.1 * linear(10)"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "x"}, "the result of state_dict"),
        ({"version": 2}, "has version 2"),
        ({"more": 1}, "has no key 'more'"),
        ({"step": -1}, "whole number of at least 0"),
    ],
)
def test_a_document_that_is_not_a_state_is_refused(change, words):
    run = learnrate.attach(SGD(make_model().parameters(), lr=0.1), "linear(4)", store=False)
    with pytest.raises(ArgumentError, match=words):
        run.load_state_dict({**run.state_dict(), **change})


def test_the_status_says_how_a_run_ended(place):
    model = make_model()

    def end(how, loss=1.0):
        optimizer = SGD(model.parameters(), lr=0.1)
        with pytest.raises((ZeroDivisionError, KeyboardInterrupt, RuntimeError)):  # noqa: PT012
            with learnrate.attach(optimizer, 0.1, store=place, total_steps=3) as run:
                make_update(model, optimizer)
                run.step(loss)
                if how is not None:
                    raise how
            raise RuntimeError
        return Store(place).run(run.id).status

    assert end(None) == "finished"
    assert end(None, math.nan) == "diverged"
    assert end(ZeroDivisionError()) == "failed"
    assert end(KeyboardInterrupt()) == "stopped"


def test_a_script_that_ends_without_finish_leaves_a_status(tmp_path):
    code = """
        import os, sys, torch, learnrate
        attach = learnrate.attach
        endings = {
            "finished": (2, "pass"),
            "failed": (2, "raise ValueError"),
            "stopped": (2, "raise KeyboardInterrupt"),
            "left early": (1, "sys.exit(3)"),
        }
        for name, (steps, ending) in endings.items():
            if os.fork() == 0:
                break
            os.wait()
        else:
            sys.exit()
        weight = torch.nn.Parameter(torch.ones(1))
        optimizer = torch.optim.SGD([weight], lr=0.1)
        run = attach(optimizer, 0.1, total_steps=2, name=name)
        for step in range(steps):
            weight.grad = torch.ones(1)
            optimizer.step()
            run.step(1.0)
        exec(ending)
    """
    environment = {"LEARNRATE_STORE": str(tmp_path / "a.db")}
    done = finished_warm(textwrap.dedent(code), environment=environment)
    assert done.returncode == 0, done.stderr
    endings = {run.name: (run.status, run.step) for run in Store(tmp_path / "a.db").runs()}
    assert endings == {
        "finished": ("finished", 2),
        "failed": ("failed", 2),
        "stopped": ("stopped", 2),
        "left early": ("stopped", 1),
    }, done.stderr


def test_a_run_that_is_deleted_is_closed_in_the_store(place):
    optimizer = SGD(make_model().parameters(), lr=0.1)
    run = learnrate.attach(optimizer, 0.1, store=place, total_steps=10)
    name = run.id
    del run, optimizer
    gc.collect()
    assert Store(place).run(name).status == "stopped"


def test_a_run_deleted_while_this_thread_writes_to_its_store_is_closed_there(place, capsys):
    optimizer = SGD(make_model().parameters(), lr=0.1)
    run = learnrate.attach(optimizer, 0.1, store=place, total_steps=10)
    name, recorder = run.id, run.recorder
    assert recorder.flush()
    with Database(place).writing():
        del run, optimizer
        gc.collect()  # as it may happen in any thread
    recorder._thread.join()
    assert Store(place).run(name).status == "stopped"
    assert "locked" not in capsys.readouterr().err


def test_a_run_that_its_own_recorder_deletes_is_closed_in_the_store(place):
    optimizer = SGD(make_model().parameters(), lr=0.1)
    runs_of_observer = [learnrate.attach(optimizer, 0.1, store=place, total_steps=10)]
    name, recorder = runs_of_observer[0].id, runs_of_observer[0].recorder

    def delete(observations):
        runs_of_observer.clear()
        gc.collect()

    recorder.observers.append(delete)
    optimizer.step()
    runs_of_observer[0].step(1.0)
    del optimizer
    recorder._thread.join()
    assert Store(place).run(name).status == "stopped"
    assert Store(place).run(name).step == 1
    assert not list(place.parent.glob("*unwritten*"))


def test_a_run_prints_its_id_step_and_rate(place):
    optimizer = SGD(make_model().parameters(), lr=0.1)
    with learnrate.attach(optimizer, "0.1 * linear(10)", store=place) as run:
        optimizer.step()
        run.step(1.0)
        assert repr(run) == f"<Run {run.id}: step 1 of 10, lr 0.09>"
    with learnrate.attach(optimizer, 0.1, store=False) as run:
        assert repr(run) == "<Run not recorded: step 0, lr 0.1>"


def test_attaching_twice_is_refused_until_the_first_run_has_ended():
    optimizer = SGD(make_model().parameters(), lr=0.1)
    run = learnrate.attach(optimizer, 0.1, store=False, total_steps=10)
    with pytest.raises(ArgumentError, match=r"has a run already.*<Run not recorded: step 0 of 10"):
        learnrate.attach(optimizer, 0.1, store=False, total_steps=10)
    run.finish()
    with pytest.raises(ArgumentError, match="has the same optimizer twice"):
        learnrate.attach([optimizer, optimizer], 0.1, store=False)
    with pytest.raises(ArgumentError, match="the run has ended"):
        run.step(1.0)
    learnrate.attach(optimizer, 0.1, store=False, total_steps=10).finish()


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (
            (0.1,),
            {"total_steps": 0},
            r"attach\(total_steps=...\) must be a whole number of at least 1",
        ),
        (("linear()",), {}, "bound to a run"),
        (("linear(10)",), {"total_steps": 11}, "the schedule's own length, 10"),
        ((0.1,), {"total_steps": 5, "store": "mysql://x/y"}, "must be a file, sqlite:///FILE or"),
        (
            (0.1,),
            {"total_steps": 5, "measure": Measure(planned=read("linear(4)"))},
            "None unless schedule=None",
        ),
        ((lr_scheduler.StepLR,), {"total_steps": 5}, "made for the optimizer, not its class"),
        (
            (0.1,),
            {"model": "resnet"},
            r"attach\(model=...\) must be a torch.nn.Module, or None; got",
        ),
        (
            (0.1,),
            {"groups": {"head": None}},
            r"attach\(groups=...\) must be a list with a schedule",
        ),
        ((0.1,), {"hyper": ["momentum"]}, r"attach\(hyper=...\) must be a mapping from names"),
        ((0.1,), {"probes": True}, r"attach\(probes=...\) must be learnrate.probing.Probes"),
        ((0.1,), {"criterion": "mse"}, r"attach\(criterion=...\) must be a loss module"),
        ((0.1,), {"extra_state": 1}, r"attach\(extra_state=...\) must be a mapping"),
        ((0.1,), {"store": 5}, r"attach\(store=...\) must be a file, a URL, a Store, or False"),
        ((0.1,), {"name": 7}, r"attach\(name=...\) must be text"),
        ((0.1,), {"facts": "width=64"}, r"attach\(facts=...\) must be a mapping from names"),
        (
            (0.1,),
            {"measure": None},
            r"attach\(measure=...\) must be a learnrate.Measure; got None",
        ),
        ((0.1,), {"guard": "yes"}, r"attach\(guard=...\) must be True, False or a"),
        ((0.1,), {"limits": 0.1}, r"attach\(limits=...\) must be learnrate.edits.Limits"),
        ((0.1,), {"controllers": "plateau"}, r"attach\(controllers=...\) must be a list"),
        ((0.1,), {"edits": ["scale 0.5"]}, r"attach\(edits=...\) must be a list of .* got 'scale"),
        ((0.1,), {"edits": "scale 0.5"}, r"attach\(edits=...\) must be a list .* run.steer\("),
        ((0.1,), {"edits": [HALF]}, r"attach\(edits=...\) must be .* with their steps, such as"),
        ((0.1,), {"edits": 5}, r"attach\(edits=...\) must be a list .* got 5"),
        ((warmup_cosine,), {"total_steps": 5}, "must return a number at each step; got a Chain"),
        ((Cosine,), {"total_steps": 5}, r"Cosine is a class.*Cosine\(\.\.\.\)"),
        ((0.1,), {"controllers": Plateau()}, r"attach\(controllers=...\) must be a list"),
    ],
)
def test_bad_arguments_are_refused_and_the_optimizer_can_be_attached_afterwards(
    arguments, options, words
):
    optimizer = SGD(make_model().parameters(), lr=0.1)
    with pytest.raises(ArgumentError, match=words):
        learnrate.attach(optimizer, *arguments, **{"store": False, **options})
    learnrate.attach(optimizer, 0.1, store=False, total_steps=4).finish()


def test_rates_of_an_external_scheduler_are_compared_with_what_is_planned(tmp_path):
    optimizer = SGD(make_model().parameters(), lr=0.1)
    measure = Measure(planned="0.1 * cosine()")
    with pytest.raises(ArgumentError, match=r"planned=.* of a known length"):
        learnrate.attach(optimizer, None, measure=measure, store=tmp_path / "a.db")
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 200)  # twice too long
    place = tmp_path / "runs.db"
    with learnrate.attach(optimizer, None, total_steps=100, measure=measure, store=place) as run:
        for _ in range(100):
            optimizer.step()
            run.step(1.0)
            scheduler.step()
    assert "LR308" in {finding.code for finding in run.findings}
    (finding,) = diagnose(observations_of(place, run), only=["LR308"]).findings
    assert "0.0508 instead of" in finding.message  # a live one may be of an earlier row


def test_weights_without_values_are_refused():
    optimizer = SGD(torch.nn.Linear(3, 1, device="meta").parameters(), lr=0.1)
    with pytest.raises(ArgumentError, match=r"some are on the meta device. Call model.to_empty"):
        learnrate.attach(optimizer, 0.1, store=False)


def test_an_argument_that_is_not_an_optimizer_or_a_schedule_is_refused():
    with pytest.raises(ArgumentError, match=r"attach\(optimizer=...\) must be a torch.optim"):
        learnrate.attach("adam", 0.1, store=False)
    with pytest.raises(ScheduleError):
        learnrate.attach(SGD(make_model().parameters(), lr=0.1), "linnear(3)", store=False)


def test_a_loss_that_is_not_a_number_is_refused_with_its_shape(place):
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.1)
    with learnrate.attach(optimizer, 0.1, store=place, total_steps=4) as run:
        make_update(model, optimizer)
        with pytest.raises(ArgumentError, match=r"a tensor of one element; got shape \(3,\)"):
            run.step(torch.zeros(3))


def test_rates_that_are_tensors_stay_the_same_tensors():
    model = make_model()
    optimizer = AdamW(model.parameters(), lr=torch.tensor(0.1), capturable=False, foreach=False)
    rate = optimizer.param_groups[0]["lr"]
    with learnrate.attach(optimizer, "0.1 * linear(4)", store=False) as run:
        for step in range(3):
            assert rate.item() == pytest.approx(read("0.1 * linear(4)")(step))
            run.step(make_update(model, optimizer))
    assert optimizer.param_groups[0]["lr"] is rate


def test_a_scheduler_of_to_torch_is_continued_by_its_schedule():
    optimizer = SGD(make_model().parameters(), lr=0.1)
    scheduler = to_torch(read("0.2 * linear(10)"), optimizer, step=3)
    with learnrate.attach(optimizer, scheduler, store=False) as run:
        assert run.schedule == read("0.2 * linear(10)")
        assert (run.next_step, run.lr) == (3, read("0.2 * linear(10)")(3))


def test_an_edit_between_two_updates_holds_for_the_second():
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.1)
    with learnrate.attach(optimizer, 0.1, store=False, total_steps=9) as run:
        for _ in range(4):
            run.step(make_update(model, optimizer))
        run.steer("scale 0.5", reason="too high")
        make_update(model, optimizer)
        assert optimizer.param_groups[0]["lr"] == 0.05 == run.lr


def test_facts_that_are_not_json_are_refused(place):
    optimizer = SGD(make_model().parameters(), lr=0.1)
    with pytest.raises(ArgumentError, match=r"facts=.* must hold JSON values"):
        learnrate.attach(optimizer, 0.1, store=place, total_steps=4, facts={"model": object()})


def test_the_rules_check_a_live_run(tmp_path):
    weight = torch.nn.Parameter(torch.linspace(1, 2, 3))
    optimizer = torch.optim.SGD([weight], lr=0.02)
    schedule = "0.02 * warmup(10) >> linear(390)"
    with learnrate.attach(optimizer, schedule, store=tmp_path / "a.db") as run:
        for step in range(200):
            optimizer.zero_grad()
            loss = weight.square().sum() + 0.1
            loss.backward()
            optimizer.step()
            run.step(loss if step < 150 else math.nan)
            if step % 20 == 0:
                run.recorder.flush()
                run.validation(loss.item())
        run.recorder.flush()
        assert [finding.code for finding in run.findings] == ["LR101"]
    stored = learnrate.Store(tmp_path / "a.db").findings(run.id)
    assert [finding.code for finding in stored] == ["LR101"]
    assert stored[0].step >= 150


@pytest.mark.parametrize(("status", "more"), [(None, {"LR201"}), ("stopped", set())])
def test_the_rules_check_the_end_of_a_run_too(tmp_path, status, more):
    weight = torch.nn.Parameter(torch.linspace(1, 2, 3))
    optimizer = torch.optim.SGD([weight], lr=1e-4)
    settings = {
        "store": tmp_path / "a.db",
        "measure": Measure(path_share=0),
    }  # LR204 has more to say
    run = learnrate.attach(optimizer, "1e-4 * linear(70)", **settings)
    for _ in range(70):  # enough for one look, and a warning needs two while the run goes on
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        optimizer.step()
        run.step(loss)
    run.finish(status)
    stored = learnrate.Store(tmp_path / "a.db")
    assert {finding.code for finding in stored.findings(run.id)} == more
    assert "LR201" in diagnose(stored.observations(run.id)).codes()


@pytest.mark.parametrize("status", ["done", "running", 1])
def test_a_status_that_is_not_an_end_is_refused_and_the_run_continues(place, status):
    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.1)
    run = learnrate.attach(optimizer, "0.1 * linear(10)", store=place)
    with pytest.raises(ArgumentError, match="one of finished, diverged, failed, stopped, lost"):
        run.finish(status)
    run.step(make_update(model, optimizer))
    run.finish("stopped")
    assert run.next_step == 1
    assert Store(place, create=False).run(run.id).status == "stopped"


def test_a_run_that_is_not_watched_has_no_findings(tmp_path):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    settings = {"total_steps": 400, "store": tmp_path / "a.db", "measure": Measure(watch=False)}
    with learnrate.attach(optimizer, 0.1, **settings) as run:
        for _ in range(100):
            optimizer.step()
            run.step(math.nan)
        run.recorder.flush()
        assert run.findings == []


def observations_of_rows(steps, loss, validation):
    columns = {"lr": [0.1] * len(steps), "loss": loss, "validation": validation}
    columns = {name: np.array(values) for name, values in columns.items()}
    return Observations(run="a", step=np.array(steps), columns=columns)


def test_a_rule_that_fails_is_warned_of_once_and_the_others_continue(monkeypatch):
    from learnrate.watch import RULES, _registry

    def fail(*_):
        raise ZeroDivisionError("division by zero")

    changes = {"check": fail, "needs": (), "judges": "", "spacing": math.inf}
    failing = type("Failing", (type(RULES[1]),), changes)()
    monkeypatch.setattr(_registry, "RULES", (RULES[0], failing))
    run = learnrate.attach(SGD(make_model().parameters(), lr=0.1), 0.1, total_steps=9, store=False)
    watch = LiveWatch(run._edits)
    with pytest.warns(RuntimeWarning, match=f"{failing.code}: the rule failed"):
        watch(observations_of_rows(list(range(80)), [1.0] * 80, [math.nan] * 80))
    (finding,) = watch(observations_of_rows([80, 81, 82], [math.inf] * 3, [math.nan] * 3))
    assert finding.code == RULES[0].code
    watch.finish()  # warns no more: a warning would fail the test
    run.finish()


def test_a_late_validation_loss_is_not_a_resume_and_goes_to_the_next_row():
    nan, optimizer = math.nan, SGD(make_model().parameters(), lr=0.1)
    run = learnrate.attach(optimizer, 0.1, total_steps=9, store=False)
    watch = LiveWatch(run._edits)
    watch(observations_of_rows([0, 1, 2], [1.0, 1.0, 1.0], [nan, nan, nan]))
    watch(observations_of_rows([2], [nan], [0.25]))  # alone: there is no next row yet
    watch(observations_of_rows([2, 3, 4], [nan, 1.0, 1.0], [0.5, nan, nan]))
    assert "resumed_at" not in watch._watcher._facts
    steps, columns = watch._watcher._table.step, watch._watcher._table.columns
    assert steps[:5].tolist() == [0, 1, 2, 3, 4]
    assert np.nan_to_num(columns["validation"][:5]).tolist() == [0.0, 0.0, 0.0, 0.5, 0.0]
    watch(observations_of_rows([3, 4], [1.0, 1.0], [nan, nan]))  # a rollback
    assert watch._watcher._facts["resumed_at"] == [3]
    run.finish()


@pytest.mark.parametrize("edit", [None, "scale 0.5"])
def test_groups_with_rates_that_are_tensors_keep_their_ratio(edit):
    model = make_model()
    groups = groups_of(model, torch.tensor(0.1), torch.tensor(0.01))
    optimizer = AdamW(groups, capturable=False, foreach=False)
    used = []
    optimizer.register_step_post_hook(
        lambda o, *_: used.append([group["lr"].item() for group in o.param_groups])
    )
    with learnrate.attach(optimizer, "0.1 * linear(4)", store=False) as run:
        if edit is not None:
            run.steer(edit)
        factor = 1.0 if edit is None else 0.5
        for step in range(4):
            expected = [factor * read("0.1 * linear(4)")(step) * ratio for ratio in (1.0, 0.1)]
            written = [group["lr"].item() for group in optimizer.param_groups]
            assert written == pytest.approx(expected)
            run.step(make_update(model, optimizer))
            assert used[-1] == pytest.approx(expected)


def test_the_ratio_of_tensor_rates_is_written_again_before_the_update():
    model = make_model()
    optimizer = AdamW(
        groups_of(model, torch.tensor(0.1), torch.tensor(0.01)), capturable=False, foreach=False
    )
    used = []
    optimizer.register_step_post_hook(
        lambda o, *_: used.extend(group["lr"].item() for group in o.param_groups)
    )
    with learnrate.attach(optimizer, 0.1, total_steps=4, store=False):
        for group in optimizer.param_groups:
            group["lr"].fill_(7.0)
        make_update(model, optimizer)
    assert used == pytest.approx([0.1, 0.01])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip_norm": -1.0}, r"Measure\(clip_norm=...\) must be above 0"),
        ({"every": 0}, r"Measure\(every=...\) must be a whole number of at least 1"),
        ({"gradient_every": -1}, r"Measure\(gradient_every=...\)"),
        ({"update_every": 1.5}, r"Measure\(update_every=...\)"),
        (
            {"planned": 0.1},
            r"Measure\(planned=...\) must be a schedule, its text, or None; got 0.1",
        ),
    ],
)
def test_measurements_outside_their_rules_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        Measure(**options)
