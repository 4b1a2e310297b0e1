"""A run measures what its controllers need: attach, train, resume, steering, clipping."""

import io
import json

import pytest
import torch

import learnrate
from learnrate import ArgumentError
from learnrate.controllers import Bounded, HyperGradient, PolyakStep, SasaPlus
from learnrate.run import Measure
from learnrate.testing import quadratic_task

POLICIES = {
    "hyper-gradient": [HyperGradient(beta=0.3, resolution=0.0)],
    "additive": [HyperGradient(beta=1e-3, rule="additive", resolution=0.0)],
    "polyak": [PolyakStep(memory=0.5, resolution=0.0, highest=4.0)],
    "both, bounded": [
        Bounded(HyperGradient(beta=0.3), lowest=0.5, highest=3.0),
        PolyakStep(resolution=0.01),
    ],
}
OPTIMIZERS = {
    "sgd": lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
    "momentum": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    "adam": lambda model: torch.optim.Adam(model.parameters(), lr=0.1),
}
SCHEDULE = "0.05 * warmup(5) >> linear(35)"
every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))


def update(model, optimizer, run, step):
    """One update on the batch of a step; the rate it was made at."""
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
    optimizer.zero_grad()
    loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
    loss.backward()
    optimizer.step()
    rate = run.lr
    run.step(loss)
    return rate


def attached(policy, make=OPTIMIZERS["momentum"], **options):
    model = network()
    optimizer = make(model)
    options = {"store": False, **options}
    run = learnrate.attach(optimizer, SCHEDULE, controllers=policy, **options)
    return model, optimizer, run


@every_policy
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_a_resumed_run_continues_to_the_last_bit(policy, make):
    model, optimizer, run = attached(policy, make)
    rates = []
    for step in range(40):
        if step == 17:
            saved = json.dumps(run.state_dict(), allow_nan=False)
            weights = {name: value.clone() for name, value in model.state_dict().items()}
            torch.save(optimizer.state_dict(), buffer := io.BytesIO())
        rates.append(update(model, optimizer, run, step))
    assert len(run.changes) > 3
    run.finish()
    again, other, resumed = attached(policy, make)
    again.load_state_dict(weights)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer))
    resumed.load_state_dict(json.loads(saved))
    continued = [update(again, other, resumed, step) for step in range(17, 40)]
    assert continued == rates[17:]
    assert all(
        torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True)
    )


@every_policy
def test_train_measures_too_and_its_realised_schedule_repeats_the_run(policy):
    task = quadratic_task(dim=3, total_steps=60)
    trained = learnrate.train(task, "0.05 * linear()", controllers=policy, progress=False)
    assert trained.changes
    repeated = learnrate.train(task, trained.schedule, progress=False)
    assert repeated.curve.loss.tolist() == trained.curve.loss.tolist()


def test_sasa_gets_its_signals_in_train():
    policy = SasaPlus(min_samples=50, test_every=10)
    task = quadratic_task(dim=2, total_steps=600)
    trained = learnrate.train(task, "0.1 * constant()", controllers=[policy], progress=False)
    assert trained.changes


@every_policy
def test_an_edit_multiplies_beside_the_controllers_and_both_are_stored(policy, tmp_path):
    model, optimizer, run = attached(policy, store=tmp_path / "a.db")
    for step in range(12):
        update(model, optimizer, run, step)
    before = run.lr
    run.steer("scale 0.5", author="person")
    assert run.lr == pytest.approx(before / 2, rel=1e-12)
    rates = {step: update(model, optimizer, run, step) for step in range(12, 40)}
    realised = run.edited.schedule
    for step, rate in rates.items():
        assert realised(step) == pytest.approx(rate, rel=1e-12)
    run.finish()
    edits = learnrate.Store(tmp_path / "a.db").edits(run.id)
    authors = {edit.author for edit in edits}
    assert "person" in authors
    assert len(authors) > 1


def test_bounds_hold_in_a_run():
    policy = [Bounded(HyperGradient(beta=0.9, resolution=0.0), lowest=0.5, highest=1.5)]
    model, optimizer, run = attached(policy)
    shape = learnrate.schedule(SCHEDULE)
    for step in range(40):
        rate = update(model, optimizer, run, step)
        assert 0.5 * shape(step) * (1 - 1e-9) <= rate <= 1.5 * shape(step) * (1 + 1e-9)


def test_nothing_is_left_in_the_optimizer_after_the_run():
    model, optimizer, run = attached(POLICIES["hyper-gradient"])
    update(model, optimizer, run, 0)
    keys = {key for state in optimizer.state.values() for key in state}
    assert keys == {"momentum_buffer", "learnrate_direction"}
    run.finish()
    assert {key for state in optimizer.state.values() for key in state} == {"momentum_buffer"}


def test_signals_that_no_controller_needs_are_not_measured():
    model, optimizer, run = attached([])
    update(model, optimizer, run, 0)
    assert {key for state in optimizer.state.values() for key in state} == {"momentum_buffer"}


@pytest.mark.parametrize("clips_itself", [True, False])
def test_polyak_uses_the_gradient_before_clipping(clips_itself):
    # f = 9 x^2 / 2 at x = 1: g = 9, clipped to 1; f / <9, 1> = 0.5
    weight = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    measure = Measure() if clips_itself else Measure(clip_norm=1.0)
    policy = PolyakStep(memory=0.0, resolution=0.0, highest=None)
    run = learnrate.attach(
        optimizer, 1.0, total_steps=9, controllers=[policy], store=False, measure=measure
    )
    loss = 4.5 * weight.square().sum()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_([weight], 1.0) if clips_itself else None
    optimizer.step()
    run.step(loss, gradient_norm=norm)
    assert run.lr == pytest.approx(0.5, rel=1e-5)


def test_two_optimizers_are_one_update():
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    optimizers = [
        torch.optim.SGD(first.parameters(), lr=0.1),
        torch.optim.SGD(second.parameters(), lr=0.02),
    ]
    policy = [HyperGradient(beta=0.5, resolution=0.0)]
    run = learnrate.attach(optimizers, 0.1, total_steps=9, controllers=policy, store=False)
    changes, before = [], None
    for step in range(5):
        x = torch.randn(8, 2, generator=torch.Generator().manual_seed(step))
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = second(first(x).tanh()).square().mean()
        loss.backward()
        gradient = [p.grad.clone() for o in optimizers for p in o.param_groups[0]["params"]]
        for optimizer in optimizers:
            optimizer.step()
        run.step(loss)
        direction = [g * s for g, s in zip(gradient, [1, 1, 0.2, 0.2], strict=True)]
        if before is not None:
            product = sum(float((g * d).sum()) for g, d in zip(gradient, before, strict=True))
            norms = [sum(float((t * t).sum()) for t in part) ** 0.5 for part in (gradient, before)]
            changes.append(1 + 0.5 * product / norms[0] / norms[1])
        before = direction
    ratios = [change.after / change.before for change in run.changes]
    assert ratios == pytest.approx(changes, rel=1e-4)


def test_a_scaled_gradient_is_refused():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    policy = [HyperGradient()]
    learnrate.attach(optimizer, 1.0, total_steps=9, controllers=policy, store=False)
    weight.grad = torch.tensor([1.0])
    optimizer.grad_scale = torch.tensor(8.0)  # as a GradScaler sets it for a fused optimizer
    with pytest.raises(ArgumentError, match="fused=False"):
        optimizer.step()
