"""Schedules in optax, and optax's own schedules as schedules of learnrate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnrate import ArgumentError, schedules
from needed import needed
from schedule_strategies import FLOORS, SHARES

jax = needed("jax")
optax = needed("optax")
jnp = needed("jax.numpy")
integration = needed("learnrate.integrations.optax")

PEAK = 0.3
RUN = 3e-2 * schedules.Warmup(5).then(schedules.Cosine(15, floor=0.1))
few = settings(max_examples=15)
STEPS = st.integers(2, 24)  # each step of optax is a dozen calls of jax


# Schedules of learnrate in optax.


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


def test_an_optimizer_of_optax_trains_at_the_rates_of_a_schedule():
    weights, grads = jnp.array(0.0, jnp.float32), jnp.array(1.0, jnp.float32)
    optimizer = optax.sgd(integration.to_optax(RUN))

    @jax.jit
    def update(weights, state):
        updates, state = optimizer.update(grads, state, weights)
        return optax.apply_updates(weights, updates), state, updates

    state, rates = optimizer.init(weights), []
    for _ in range(24):
        weights, state, updates = update(weights, state)
        rates.append(-float(updates))
    assert rates == pytest.approx([RUN(step) for step in range(24)], rel=1e-6)


def test_it_can_be_jitted_mapped_and_scanned_over():
    schedule, steps = integration.to_optax(RUN), jnp.arange(30)
    expected = np.float32(RUN(np.arange(30)))
    _, scanned = jax.lax.scan(lambda step, _: (step + 1, schedule(step)), 0, None, length=30)
    assert expected.tolist() == schedule(steps).tolist()
    assert expected.tolist() == jax.vmap(jax.jit(schedule))(steps).tolist()
    assert expected.tolist() == scanned.tolist()
    assert expected.dtype == schedule(3).dtype


def test_in_double_precision_it_equals_the_schedule_to_the_last_bit(double):
    assert [float(integration.to_optax(RUN)(step)) for step in range(30)] == [
        RUN(s) for s in range(30)
    ]


def test_the_precision_is_that_of_the_trace():
    schedule = integration.to_optax(RUN)
    single = schedule(3).dtype
    with jax.enable_x64(True):
        assert (jnp.float32, jnp.float64) == (single, schedule(3).dtype)


def test_past_the_end_and_before_the_start_it_holds():
    schedule = integration.to_optax(1.0 * schedules.Linear(4, floor=0.25))
    assert [float(schedule(step)) for step in (-7, 0, 4, 2**31 - 1)] == [1.0, 1.0, 0.25, 0.25]


def test_optax_can_join_it():
    joined = optax.join_schedules([integration.to_optax(RUN), optax.constant_schedule(0.5)], [7])
    expected = [*(RUN(step) for step in range(7)), 0.5]
    assert expected == pytest.approx([float(joined(step)) for step in range(8)], rel=1e-6)


def test_one_without_an_end_asks_for_one():
    with pytest.raises(ArgumentError, match="Give total_steps="):
        integration.to_optax(schedules.noam(10))
    assert float(integration.to_optax(schedules.noam(10), total_steps=100)(50)) == pytest.approx(
        schedules.noam(10)(50), rel=1e-6
    )


def test_it_prints_as_what_it_is():
    assert repr(integration.to_optax(RUN)) == f"to_optax(schedule('{RUN}'))"


# Schedules of optax as schedules of learnrate: at every step, and far past the end.


def same(optax_schedule, schedule, last):
    """The same rates, in double precision."""
    with jax.enable_x64(True):
        steps = [*range(last + 3), 10 * last, 10**6]
        expected = [float(optax_schedule(jnp.asarray(step))) for step in steps]
    assert expected == pytest.approx([schedule(step) for step in steps], rel=1e-12, abs=1e-17)


@few
@given(steps=STEPS, floor=FLOORS)
def test_linear_is_that_of_optax(steps, floor):
    same(
        optax.linear_schedule(PEAK, PEAK * floor, steps),
        PEAK * schedules.Linear(steps, floor),
        steps,
    )


@few
@given(steps=STEPS, floor=FLOORS, power=st.sampled_from([0.5, 1.0, 2.0, 3.7]), wait=STEPS)
def test_polynomial_is_that_of_optax_and_delay_is_its_transition_begin(steps, floor, power, wait):
    optax_schedule = optax.polynomial_schedule(
        PEAK, PEAK * floor, power, steps, transition_begin=wait
    )
    schedule = PEAK * schedules.Polynomial(steps, power, floor).delay(wait)
    same(optax_schedule, schedule, steps + wait)


@few
@given(steps=STEPS, floor=FLOORS, power=st.sampled_from([0.5, 1.0, 2.0, 3.3]))
def test_cosine_is_that_of_optax(steps, floor, power):
    optax_schedule = optax.cosine_decay_schedule(PEAK, steps, alpha=floor, exponent=power)
    same(optax_schedule, PEAK * schedules.Cosine(steps, floor, power), steps)


@few
@given(every=STEPS, factor=SHARES, staircase=st.booleans(), floor=FLOORS)
def test_exponential_is_that_of_optax_and_floor_is_its_end_value(every, factor, staircase, floor):
    optax_schedule = optax.exponential_decay(
        PEAK, every, factor, staircase=staircase, end_value=PEAK * floor if floor else None
    )
    schedule = PEAK * schedules.Exponential(
        factor=factor, every=every, staircase=staircase, floor=floor
    )
    same(optax_schedule, schedule, 5 * every)


@few
@given(steps=STEPS, rate=st.floats(1.01, 2))
def test_a_growing_exponential_of_optax_is_an_exponential_warmup(steps, rate):
    peak = PEAK * rate**steps
    optax_schedule = optax.exponential_decay(PEAK, 1, rate, end_value=peak)
    same(
        optax_schedule,
        peak * schedules.Warmup(steps, start=rate**-steps, curve="exponential"),
        steps,
    )


@few
@given(
    boundaries=st.lists(STEPS, min_size=1, max_size=3, unique=True).map(sorted),
    scales=st.lists(SHARES, min_size=3, max_size=3),
)
def test_piecewise_scales_of_optax_multiply_up_to_piecewise_values(boundaries, scales):
    scales = dict(zip(boundaries, scales, strict=False))
    values = tuple(np.cumprod([1.0, *scales.values()]).tolist())
    optax_schedule = optax.piecewise_constant_schedule(PEAK, scales)
    same(
        optax_schedule,
        PEAK * schedules.Piecewise(boundaries=tuple(boundaries), values=values),
        boundaries[-1],
    )
    for kind in ("linear", "cosine"):
        optax_schedule = optax.piecewise_interpolate_schedule(kind, PEAK, scales)
        same(
            optax_schedule,
            PEAK * schedules.Interpolated(boundaries=tuple(boundaries), values=values, curve=kind),
            boundaries[-1],
        )


@few
@given(steps=st.integers(20, 40), share=st.floats(0.1, 0.9), div=st.floats(2, 50))
def test_one_cycle_is_that_of_optax(steps, share, div):
    optax_schedule = optax.cosine_onecycle_schedule(steps, PEAK, share, div, 1e4)
    schedule = schedules.one_cycle(int(share * steps), start=1 / div, floor=1 / div / 1e4).over(
        steps
    )
    same(optax_schedule, PEAK * schedule, steps)


@few
@given(steps=st.integers(20, 40), div=st.floats(2, 50), final=st.floats(2, 1e4))
def test_the_linear_one_cycle_of_optax_is_three_straight_lines(steps, div, final):
    optax_schedule = optax.linear_onecycle_schedule(steps, PEAK, 0.3, 0.85, div, final)
    knots = (int(0.3 * steps), int(0.85 * steps), steps)
    schedule = schedules.Interpolated(
        boundaries=knots, values=(1 / div, 1.0, 1 / div, 1 / div / final)
    )
    same(optax_schedule, PEAK * schedule, steps)


@few
@given(warmup=STEPS, rest=STEPS, start=st.sampled_from([0.0, 0.1]), floor=FLOORS)
def test_warmup_and_cosine_is_that_of_optax_whose_decay_steps_include_the_warmup(
    warmup, rest, start, floor
):
    optax_schedule = optax.warmup_cosine_decay_schedule(
        PEAK * start, PEAK, warmup, warmup + rest, PEAK * floor
    )
    same(
        optax_schedule,
        PEAK * schedules.Warmup(warmup, start).then(schedules.Cosine(rest, floor)),
        warmup + rest,
    )


@few
@given(warmup=STEPS, every=STEPS, factor=SHARES)
def test_warmup_and_exponential_is_that_of_optax(warmup, every, factor):
    optax_schedule = optax.warmup_exponential_decay_schedule(0.0, PEAK, warmup, every, factor)
    schedule = schedules.Warmup(warmup, start=0.0).then(
        schedules.Exponential(factor=factor, every=every)
    )
    same(optax_schedule, PEAK * schedule, warmup + 3 * every)


def test_a_warmup_then_a_constant_is_that_of_optax():
    optax_schedule = optax.warmup_constant_schedule(0.0, PEAK, 9)
    same(optax_schedule, PEAK * schedules.Warmup(9, start=0.0).then(schedules.Constant()), 9)


@few
@given(cycles=st.lists(st.tuples(STEPS, STEPS, SHARES), min_size=1, max_size=3))
def test_sgdr_of_optax_is_a_chain_of_warmups_and_cosines(cycles):
    optax_schedule = optax.sgdr_schedule(
        [
            {
                "init_value": 0.0,
                "peak_value": PEAK * peak,
                "warmup_steps": warmup,
                "decay_steps": warmup + rest,
                "end_value": 0.0,
            }
            for warmup, rest, peak in cycles
        ]
    )
    parts = [
        part
        for warmup, rest, peak in cycles
        for part in (peak * schedules.Warmup(warmup, start=0.0), peak * schedules.Cosine(rest))
    ]
    same(
        optax_schedule,
        PEAK * schedules.Chain(tuple(parts)),
        sum(warmup + rest for warmup, rest, _ in cycles),
    )
