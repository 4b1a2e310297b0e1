"""Every schedule gives the rates of torch's scheduler of that kind, at random parameters."""

import math
import warnings

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from learnrate import schedules
from schedule_strategies import FLOORS, SHARES, STEPS

torch = pytest.importorskip("torch")
lr = torch.optim.lr_scheduler
PEAK = 0.3


def rates(make, steps, key="lr"):
    """What torch trains with at each step, from 0 to well past the end."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK, momentum=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimizer)
        trained = []
        for _ in range(steps):
            trained.append(optimizer.param_groups[0][key])
            optimizer.step()
            scheduler.step()
    return trained


def same(expected, schedule, rel=1e-12):
    """The same rates at every step; torch's recursions round at each, hence the small `abs`."""
    actual = [schedule(step) for step in range(len(expected))]
    assert expected == pytest.approx(actual, rel=rel, abs=1e-15)


@given(steps=STEPS, start=SHARES)
def test_an_explicit_start_is_torchs_linear_rise(steps, start):
    expected = rates(lambda o: lr.LinearLR(o, start, 1.0, total_iters=steps), 3 * steps)
    same(expected, PEAK * schedules.Warmup(steps, start=start))


@given(steps=STEPS, floor=FLOORS)
def test_linear_is_torchs_linear_fall(steps, floor):
    expected = rates(lambda o: lr.LinearLR(o, 1.0, floor, total_iters=steps), 3 * steps)
    same(expected, PEAK * schedules.Linear(steps, floor=floor), rel=1e-11)


@given(steps=STEPS, factor=SHARES)
def test_a_scaled_constant_then_a_constant_is_torchs_constant(steps, factor):
    expected = rates(lambda o: lr.ConstantLR(o, factor, total_iters=steps), 3 * steps)
    same(expected, PEAK * (factor * schedules.Constant(steps)).then(schedules.Constant()))


@given(steps=STEPS, floor=FLOORS)
def test_cosine_is_torchs_until_the_end_and_then_stays(steps, floor):
    expected = rates(
        lambda o: lr.CosineAnnealingLR(o, T_max=steps, eta_min=PEAK * floor), steps + 1
    )
    schedule = PEAK * schedules.Cosine(steps, floor=floor)
    same(expected, schedule, rel=1e-10)
    assert [schedule(steps)] * 2 == [schedule(steps + 1), schedule(50 * steps)]


@given(steps=STEPS, power=st.floats(0.3, 4))
def test_polynomial_is_torchs(steps, power):
    expected = rates(lambda o: lr.PolynomialLR(o, steps, power), 3 * steps)
    same(expected, PEAK * schedules.Polynomial(steps, power=power), rel=1e-9)


@given(factor=SHARES)
def test_exponential_every_step_is_torchs(factor):
    expected = rates(lambda o: lr.ExponentialLR(o, factor), 60)
    same(expected, PEAK * schedules.Exponential(factor=factor, every=1))


@given(every=STEPS, factor=SHARES)
def test_step_is_torchs(every, factor):
    expected = rates(lambda o: lr.StepLR(o, every, factor), 4 * every)
    same(expected, PEAK * schedules.Step(factor=factor, every=every))


@given(boundaries=st.lists(st.integers(1, 80), min_size=1, max_size=4).map(sorted), factor=SHARES)
def test_multi_step_is_torchs(boundaries, factor):
    expected = rates(lambda o: lr.MultiStepLR(o, boundaries, factor), 100)
    same(expected, PEAK * schedules.MultiStep(factor=factor, boundaries=tuple(boundaries)))


@given(every=STEPS, growth=st.integers(1, 3), floor=FLOORS)
def test_cosine_restarts_are_torchs(every, growth, floor):
    expected = rates(
        lambda o: lr.CosineAnnealingWarmRestarts(o, every, growth, eta_min=PEAK * floor),
        14 * every,
    )
    same(expected, PEAK * schedules.CosineRestarts(every=every, growth=growth, floor=floor))


@given(up=STEPS, down=STEPS, floor=FLOORS)
def test_triangular_is_torchs_cyclic(up, down, floor):
    expected = rates(
        lambda o: lr.CyclicLR(o, PEAK * floor, PEAK, up, down, cycle_momentum=False),
        3 * (up + down),
    )
    schedule = PEAK * schedules.Triangular(every=up + down, rise=up / (up + down), floor=floor)
    assert expected == pytest.approx(
        [schedule(s) for s in range(len(expected))], rel=1e-12, abs=1e-14
    )


@given(up=STEPS, floor=FLOORS)
def test_triangular2_is_torchs_cyclic(up, floor):
    expected = rates(
        lambda o: lr.CyclicLR(o, PEAK * floor, PEAK, up, mode="triangular2", cycle_momentum=False),
        6 * up,
    )
    schedule = PEAK * schedules.Triangular2(every=2 * up, floor=floor)
    assert expected == pytest.approx(
        [schedule(s) for s in range(len(expected))], rel=1e-12, abs=1e-14
    )


@given(up=STEPS, floor=FLOORS, per_step=st.floats(0.95, 1))
def test_exp_range_is_torchs_cyclic(up, floor, per_step):
    expected = rates(
        lambda o: lr.CyclicLR(
            o, PEAK * floor, PEAK, up, mode="exp_range", gamma=per_step, cycle_momentum=False
        ),
        6 * up,
    )
    schedule = PEAK * schedules.ExpRange(every=2 * up, factor=per_step ** (2 * up), floor=floor)
    assert expected == pytest.approx(
        [schedule(s) for s in range(len(expected))], rel=1e-11, abs=1e-14
    )


@given(
    warmup=st.integers(2, 40),
    rest=st.integers(41, 90),
    curve=st.sampled_from(["cos", "linear"]),
    phases=st.sampled_from([2, 3]),
)
def test_one_cycle_torch_is_torchs_from_the_first_to_the_last_update(warmup, rest, curve, phases):
    total_steps = warmup + rest
    share = warmup / total_steps
    assume(share * total_steps == warmup)  # else torch's peak lies between two steps
    expected = rates(
        lambda o: lr.OneCycleLR(
            o,
            max_lr=PEAK,
            total_steps=total_steps,
            pct_start=share,
            anneal_strategy=curve,
            three_phase=phases == 3,
        ),
        total_steps - 1,
    )
    named = {"cos": "cosine", "linear": "linear"}[curve]
    schedule = PEAK * schedules.one_cycle_torch(total_steps, warmup, curve=named, phases=phases)
    assert total_steps == schedule.total_steps
    same(expected, schedule, rel=1e-9)
    assert schedule(total_steps - 1) == pytest.approx(PEAK / 25 / 1e4, rel=1e-12)


def test_the_momentum_of_one_cycle_mirrors_torchs():
    expected = rates(
        lambda o: lr.OneCycleLR(o, max_lr=PEAK, total_steps=101, pct_start=31 / 101),
        30,
        key="momentum",
    )
    schedule = schedules.one_cycle_momentum(30).over(100)
    same(expected, schedule)


@given(warmup=STEPS, decay=STEPS)
def test_a_chain_switches_where_torchs_sequence_does(warmup, decay):
    expected = rates(
        lambda o: lr.SequentialLR(
            o,
            [lr.LinearLR(o, 0.1, 1.0, warmup), lr.LinearLR(o, 1.0, 0.0, decay)],
            milestones=[warmup],
        ),
        warmup + decay,
    )
    same(
        expected,
        PEAK * schedules.Warmup(warmup, start=0.1).then(schedules.Linear(decay)),
        rel=1e-9,
    )


def test_from_function_is_torchs_lambda():
    def function(step):
        return math.exp(-step / 7)

    expected = rates(lambda o: lr.LambdaLR(o, function), 40)
    same(expected, PEAK * schedules.FromFunction(function))
