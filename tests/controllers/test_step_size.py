"""HyperGradient and PolyakStep: closed forms on quadratics, and the papers' formulas."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learnrate import ArgumentError, schedule
from learnrate.controllers import (
    Bounded,
    Controlled,
    HyperGradient,
    Observation,
    PolyakStep,
    replay,
)

EVERY = {"resolution": 0.0, "max_change": 1e9}
CURVATURE = np.array([1.0, 0.3, 4.0])


def quadratic(x):
    """The loss and the gradient of sum(h x^2) / 2."""
    return 0.5 * float(CURVATURE @ x**2), CURVATURE * x


def descended(controller, lr, steps):
    """The rates of gradient descent on the quadratic under a controller, and the last point."""
    rates = Controlled(schedule(f"{lr} * constant()"), [controller])
    x, before, used = np.array([1.0, -2.0, 0.5]), None, []
    for step in range(steps):
        rate = rates.lr(step)
        loss, gradient = quadratic(x)
        signals = {"lr": rate, "descent": float(gradient @ gradient)}
        if before is not None:
            product = float(gradient @ before)
            norms = np.linalg.norm(gradient) * np.linalg.norm(before)
            signals |= {"hypergradient": -product, "alignment": product / norms}
        x, before = x - rate * gradient, gradient
        used.append(rate)
        rates.observe(step, loss, **signals)
    return used, x


def test_the_additive_rule_is_the_papers_on_a_quadratic():
    beta, lr = 1e-3, 0.01
    used, _ = descended(HyperGradient(beta=beta, rule="additive", **EVERY), lr, 40)
    x, gradients, expected = np.array([1.0, -2.0, 0.5]), [], [lr]
    for _ in range(40):
        gradients.append(quadratic(x)[1])
        x = x - expected[-1] * gradients[-1]
        change = float(gradients[-1] @ gradients[-2]) if len(gradients) > 1 else 0.0
        expected.append(expected[-1] + beta * change)
    assert used == pytest.approx(expected[:40], rel=1e-9)
    assert used[-1] > lr


def test_the_multiplicative_rule_is_the_papers_on_a_quadratic():
    beta, lr = 0.05, 0.01
    used, _ = descended(HyperGradient(beta=beta, **EVERY), lr, 40)
    x, before, expected = np.array([1.0, -2.0, 0.5]), None, [lr]
    for _ in range(40):
        gradient = quadratic(x)[1]
        x = x - expected[-1] * gradient
        cosine = 0.0
        if before is not None:
            norms = math.sqrt(float(gradient @ gradient) * float(before @ before))
            cosine = float(gradient @ before) / norms
        before = gradient
        expected.append(expected[-1] * (1 + beta * cosine))
    assert used == pytest.approx(expected[:40], rel=1e-9)


def test_far_too_low_a_rate_ends_between_the_best_and_twice_the_best_of_one_direction():
    # In one dimension gradients agree below 1 / h and oppose each other above it.
    signals = []
    rates = Controlled(schedule("0.001 * constant()"), [HyperGradient(beta=0.1, **EVERY)])
    x, h, before = 1.0, 2.0, None
    for step in range(200):
        gradient = h * x
        cosine = 0.0 if before is None else math.copysign(1.0, gradient * before)
        rates.observe(step, 0.5 * h * x * x, alignment=cosine)
        signals.append(rates.lr(step))
        x, before = x - rates.lr(step) * gradient, gradient
    assert 0.8 / h <= max(signals[-20:]) <= 1.3 / h


@pytest.mark.parametrize("rule", ["multiplicative", "additive"])
def test_the_factor_follows_within_the_resolution(rule):
    beta = 0.02 if rule == "multiplicative" else 1e-4
    exact, _ = descended(HyperGradient(beta=beta, rule=rule, **EVERY), 0.01, 100)
    signals = [
        Observation(step=step, signals={"alignment": 0.5, "hypergradient": -50.0, "lr": 1.0})
        for step in range(100)
    ]
    fine = HyperGradient(beta=beta, rule=rule, resolution=0.0)
    coarse = HyperGradient(beta=beta, rule=rule, resolution=0.1)
    all_changes, few_changes = replay(fine, signals), replay(coarse, signals)
    assert len(all_changes) == 100
    assert len(few_changes) <= 12
    assert len(exact) == 100
    for change in few_changes:
        target = next(c.after for c in all_changes if c.step == change.step)
        assert change.after == pytest.approx(target, rel=1e-9)


def test_polyak_halves_the_distance_on_a_round_quadratic():
    h = 3.0
    rates = Controlled(
        schedule("0.01 * constant()"), [PolyakStep(memory=0.0, highest=None, **EVERY)]
    )
    x = np.array([1.0, 2.0])
    for step in range(6):
        rate, gradient = rates.lr(step), h * x
        if step > 0:
            assert rate == pytest.approx(1 / (2 * h), rel=1e-12)
        signals = {"lr": rate, "descent": float(gradient @ gradient)}
        rates.observe(step, 0.5 * h * float(x @ x), **signals)
        x = x - rate * gradient
    expected = np.array([1.0, 2.0]) * (1 - 0.01 * h) / 2**5
    assert x == pytest.approx(expected, rel=1e-12)


def test_polyak_takes_the_rate_of_its_formula_on_any_quadratic():
    used, _ = descended(PolyakStep(memory=0.0, highest=None, **EVERY), 0.05, 12)
    x = np.array([1.0, -2.0, 0.5])
    for rate, later in pairwise(used):
        loss, gradient = quadratic(x)
        assert later == pytest.approx(loss / float(gradient @ gradient), rel=1e-9)
        x = x - rate * gradient


def test_by_default_polyak_is_never_above_the_schedule():
    low, _ = descended(PolyakStep(resolution=0.0), 0.05, 30)
    assert low == [0.05] * 30
    high, x = descended(PolyakStep(), 1.0, 60)  # diverges without: 1 > 2 / 4
    assert max(high) == 1.0
    assert np.abs(x).max() < 1.0


@given(scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
def test_polyak_is_the_same_for_a_loss_that_is_scaled_and_shifted_with_its_bound(scale, shift):
    def changes(scale, shift):
        run = [
            Observation(
                step=step,
                loss=scale * (2.0 - 0.1 * step) + shift,
                signals={"descent": scale**2 * (8 - step), "lr": 0.5 / scale},
            )
            for step in range(8)
        ]
        policy = PolyakStep(lower_bound=shift, resolution=0.0, highest=None)
        return [change.after for change in replay(policy, run)]

    assert changes(scale, shift) == pytest.approx(changes(1.0, 0.0), rel=1e-6)


@pytest.mark.parametrize(
    "signals",
    [{}, {"alignment": math.nan, "descent": math.nan, "lr": 0.1}, {"descent": -1.0, "lr": 0.1}],
)
@pytest.mark.parametrize("policy", [HyperGradient(beta=0.5), PolyakStep(memory=0.0)])
def test_what_is_missing_or_not_finite_changes_nothing(policy, signals):
    assert replay(policy, [Observation(step=0, loss=1.0, signals=signals)]) == ()


def test_polyak_leaves_the_rate_where_the_loss_is_at_its_bound():
    run = [Observation(step=0, loss=-1.0, signals={"descent": 1.0, "lr": 0.1})]
    assert replay(PolyakStep(memory=0.0), run) == ()


def test_a_bound_holds_and_one_update_the_other_way_leaves_it():
    policy = Bounded(HyperGradient(beta=0.5, resolution=0.0), lowest=0.5, highest=2.0)
    agreeing = [Observation(step=step, signals={"alignment": 1.0}) for step in range(10)]
    opposing = [Observation(step=step, signals={"alignment": -1.0}) for step in range(10, 14)]
    changes = replay(policy, agreeing + opposing)
    assert max(change.after for change in changes) == 2.0
    assert next(change for change in changes if change.step == 11).after == 1.0
    assert min(change.after for change in changes) == 0.5


def test_one_update_changes_the_rate_at_most_by_max_change():
    run = [Observation(step=0, loss=1e6, signals={"descent": 1.0, "lr": 1e-6})]
    (change,) = replay(PolyakStep(memory=0.0, highest=None, max_change=3.0), run)
    assert change.after == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HyperGradient(beta=1.0), "below 1"),
        (lambda: HyperGradient(beta=-0.1), "beta"),
        (lambda: HyperGradient(rule="other"), "'multiplicative' or 'additive'"),
        (lambda: HyperGradient(max_change=1.0), "above 1"),
        (lambda: PolyakStep(memory=1.0), "memory"),
        (lambda: PolyakStep(scale=0.0), "scale"),
        (lambda: PolyakStep(highest=0.5), "highest"),
        (lambda: PolyakStep(resolution=-1.0), "resolution"),
        (lambda: PolyakStep(lower_bound=math.nan), "lower_bound"),
    ],
)
def test_options_outside_their_rule_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


# The signals, against autograd


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_the_signals_are_the_derivatives_that_autograd_gives(make):
    from learnrate.run import measured_step

    generator = torch.Generator().manual_seed(0)
    weights = [
        torch.nn.Parameter(torch.randn(size, generator=generator, dtype=torch.float64))
        for size in ((4, 3), (2, 4))
    ]
    batches = torch.randn(5, 6, 3, generator=generator, dtype=torch.float64)

    def loss_at(point, batch):
        return (torch.tanh(batch @ point[0].T) @ point[1].T).square().mean()

    optimizer = make(weights)
    last = None
    for batch in batches:
        start = [weight.detach().clone() for weight in weights]
        optimizer.zero_grad()
        loss_at(weights, batch).backward()
        with measured_step(optimizer, {"hypergradient", "alignment", "descent", "lr"}) as signals:
            optimizer.step()
        lr = signals["lr"]
        directions = [(x - y.detach()) / lr for x, y in zip(start, weights, strict=True)]
        if last is None:
            assert set(signals) == {"descent", "lr"}
        else:  # d f(x - lr d) / d lr of the update before, on the batch of this one
            rate = torch.tensor(lr, dtype=torch.float64, requires_grad=True)
            moved = [x - rate * d for x, d in zip(*last, strict=True)]
            (derivative,) = torch.autograd.grad(loss_at(moved, batch), rate)
            assert signals["hypergradient"] == pytest.approx(float(derivative), rel=1e-6)
            assert -1 <= signals["alignment"] <= 1
        rate = torch.zeros((), dtype=torch.float64, requires_grad=True)
        moved = [x - rate * d for x, d in zip(start, directions, strict=True)]
        (derivative,) = torch.autograd.grad(loss_at(moved, batch), rate)
        assert signals["descent"] == pytest.approx(-float(derivative), rel=1e-6)
        last = start, directions
