"""Recipes are shapes and joins under a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate import schedules

WRITTEN_OUT = [
    (schedules.warmup_cosine(500, floor=0.1), "warmup(500) >> cosine(floor=0.1)"),
    (schedules.d2z(), "warmup(10%) >> linear()"),
    (schedules.wsd(), "warmup(5%) >> constant() >> linear(20%)"),
    (
        schedules.wsd(100, "10%", schedules.OneMinusSqrt(floor=0.1)),
        "warmup(100) >> constant() >> one_minus_sqrt(10%, floor=0.1)",
    ),
    (
        schedules.wsd_s(),
        "warmup(5%) >> constant(17.5%) >> linear(2.5%) >> constant(20%) >> linear(5%) >> constant() >> linear(10%)",
    ),
    (
        schedules.wsd_s((100, 305), 10, 0.1, schedules.Rex()),
        "warmup(10) >> constant(80) >> rex(10) >> constant(174) >> rex(31)",
    ),
    (
        schedules.power_lr(0.01, 1, 100, 1000, exponent=0.5, decay="20%"),
        "0.01 * warmup(1%) >> constant() >> linear(20%) * power_decay(exponent=0.5, every=1e5)",
    ),
    (schedules.flat_cosine(), "constant(75%) >> cosine()"),
    (schedules.decay_then_constant(), "linear(80%, floor=0.1) >> (0.1 * constant())"),
    (
        schedules.decay_then_constant("60%", schedules.Cosine(floor=0.25)),
        "cosine(60%, floor=0.25) >> (0.25 * constant())",
    ),
    (schedules.decay_then_constant(shape=schedules.Rex()), "rex(80%) >> (0 * constant())"),
    (schedules.one_cycle(curve="linear"), "warmup(30%, start=0.04) >> linear(floor=4e-6)"),
    (schedules.sgdr(), "cosine_restarts()"),
    (
        schedules.sgdr(100, growth=2, warmup=10),
        "warmup(10) >> cosine_restarts(every=100, growth=2)",
    ),
    (schedules.noam(100), "warmup(99, start=0.01) >> inverse_sqrt(every=100)"),
    (schedules.untuned_warmup(0.5), "warmup(3, start=0.25)"),
    (
        schedules.one_cycle_torch(100, 30, curve="linear", phases=3, start=0.25, floor=0.125),
        "warmup(29, start=0.25) >> linear(29, floor=0.25) >> (0.25 * linear(41, floor=0.5)) >> (0.125 * constant(1))",
    ),
]


@pytest.mark.parametrize(("recipe", "expected"), WRITTEN_OUT)
def test_a_recipe_is_what_it_says(recipe, expected):
    assert expected == str(recipe)


REFUSED = [
    (lambda: schedules.noam(1), "noam(warmup=...) must be a whole number of at least 2; got 1."),
    (
        lambda: schedules.noam(100, 0),
        "noam(width=...) must be a whole number of at least 1; got 0.",
    ),
    (lambda: schedules.untuned_warmup(1), "at least 0 and below 1; got 1."),
    (
        lambda: schedules.one_cycle_torch(10, 10),
        "needs warmup >= 2 and total_steps >= 11; got total_steps=10",
    ),
    (lambda: schedules.one_cycle_momentum(low=0.9, high=0.8), "needs 0 <= low <= high"),
    (
        lambda: schedules.wsd(shape=schedules.Cosine(5)),
        "must have no length, such as Linear(); got cosine(5).",
    ),
    (lambda: schedules.wsd_s((10, 5), 1), "must rise and leave room for a decay of 0.1"),
    (lambda: schedules.wsd_s(("10%", "90%")), "wsd_s(ends=...) must end at '100%'; got '90%'."),
    (lambda: schedules.wsd_s((100, 200)), "must be all steps or all shares"),
    (lambda: schedules.wsd_s(decay=1), "wsd_s(decay=...) must be above 0 and below 1; got 1."),
    (lambda: schedules.power_lr(1, 0, 1, 1), "power_lr(a=...) must be finite and above 0; got 0."),
    (lambda: schedules.wsd("70%", "40%"), "must add up to at most 100%"),
]


@pytest.mark.parametrize(("call", "expected"), REFUSED)
def test_a_recipe_refuses_arguments_outside_their_range(call, expected, refused):
    assert expected in refused(call)


@pytest.mark.parametrize("share", ["30%", "50%", 10])
def test_the_momentum_of_one_cycle_goes_against_the_rate(share):
    rate, momentum = (
        schedules.one_cycle(share).over(100),
        schedules.one_cycle_momentum(share).over(100),
    )
    rates, momenta = rate.table(), momentum.table()
    assert rates.argmax() == momenta.argmin()
    assert [0.95, pytest.approx(0.85, rel=1e-12)] == [momenta.max(), momenta.min()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wsd()", schedules.wsd()),
        (
            "3e-4 * wsd(2%, decay=50%, shape=rex())",
            3e-4 * schedules.wsd("2%", "50%", schedules.Rex()),
        ),
        ("one_cycle()", schedules.one_cycle()),
        ("one_cycle(20%, curve=linear)", schedules.one_cycle("20%", curve="linear")),
        ("noam()", schedules.noam()),
        ("2 * noam(100, width=64)", 2 * schedules.noam(100, 64)),
        ("wsd_s(ends=[30%, 100%], warmup=2%)", schedules.wsd_s(("30%", "100%"), "2%")),
        ("power_lr(0.02, 4, 128, 5e5)", schedules.power_lr(0.02, 4, 128, 5e5)),
        ("flat_cosine()", schedules.flat_cosine()),
        ("flat_cosine(flat=50%, floor=0.1)", schedules.flat_cosine("50%", 0.1)),
        ("warmup_cosine(0)", schedules.warmup_cosine(0)),
    ],
)
def test_a_recipe_is_read_from_text_and_written_as_what_it_is_made_of(text, expected):
    assert schedules.schedule(text) == expected
    assert schedules.schedule(str(expected)) == expected


def test_a_wrong_argument_of_a_recipe_is_pointed_at(refused):
    assert "unknown argument of wsd 'warm'; did you mean 'warmup'?" in refused("wsd(warm=3)")
    assert "one_cycle_torch needs 'total_steps'." in refused("one_cycle_torch()")
    assert "did you mean 'noam'" in refused("noan()")


def test_a_bare_function_of_the_step_is_a_schedule_and_a_deadline_is_told_apart(refused):
    inverse = schedules.schedule(lambda step: 1 / (1 + step))
    assert [inverse(0), inverse.over(10)(3)] == [1.0, 0.25]
    message = refused(lambda: schedules.schedule(schedules.wsd().over(100).by_deadline(60)))
    assert "a Deadline gives rates by elapsed time, not by step" in message


@given(
    st.lists(st.integers(50, 400), min_size=1, max_size=4),
    st.integers(0, 9),
    st.sampled_from([0.05, 0.1, 0.25]),
)
def test_each_period_of_wsd_s_is_at_the_peak_until_its_decay(lengths, warmup, decay):
    ends = [sum(lengths[: i + 1]) + 100 * 2**i for i in range(len(lengths))]
    if any(round(decay * b) >= b - a - 2 for a, b in zip([warmup, *ends], ends, strict=False)):
        return
    rates = schedules.wsd_s(ends, warmup, decay).table()
    assert len(rates) == ends[-1]
    for begin, end in zip([warmup, *ends], ends, strict=False):
        fall = int(decay * end + 0.5)
        assert (rates[begin : end - fall] == 1).all()
        slow = [1 - i / fall for i in range(fall)]
        assert rates[end - fall : end] == pytest.approx(slow, abs=1e-12)


@given(st.floats(1e-4, 1), st.floats(0.1, 1), st.integers(1, 512), st.integers(500, 3000))
def test_power_lr_is_the_power_law_of_the_tokens_below_its_peak(peak, exponent, batch, steps):
    tokens = 512 * batch
    rates = schedules.power_lr(
        peak, 4.0, batch, tokens, exponent=exponent, warmup=20, decay=100
    ).over(steps)
    for step in range(20, steps - 100, 97):
        law = min(peak, batch * 4.0 * (step * tokens) ** -exponent)
        assert rates(step) == pytest.approx(law, rel=1e-9)
    assert rates(steps) == 0
