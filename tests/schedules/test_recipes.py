"""Recipes are shapes and joins under a name."""

import pytest

from learnrate.schedules import (
    Cosine,
    OneMinusSqrt,
    Rex,
    d2z,
    decay_then_constant,
    flat_cosine,
    noam,
    one_cycle,
    one_cycle_momentum,
    one_cycle_torch,
    schedule,
    sgdr,
    untuned_warmup,
    warmup_cosine,
    wsd,
)

WRITTEN_OUT = [
    (warmup_cosine(500, floor=0.1), "warmup(500) >> cosine(floor=0.1)"),
    (d2z(), "warmup(10%) >> linear()"),
    (wsd(), "warmup(5%) >> constant() >> linear(20%)"),
    (
        wsd(100, "10%", OneMinusSqrt(floor=0.1)),
        "warmup(100) >> constant() >> one_minus_sqrt(10%, floor=0.1)",
    ),
    (flat_cosine(), "constant(75%) >> cosine()"),
    (decay_then_constant(), "linear(80%, floor=0.1) >> (0.1 * constant())"),
    (
        decay_then_constant("60%", Cosine(floor=0.25)),
        "cosine(60%, floor=0.25) >> (0.25 * constant())",
    ),
    (decay_then_constant(shape=Rex()), "rex(80%) >> (0 * constant())"),
    (one_cycle(curve="linear"), "warmup(30%, start=0.04) >> linear(floor=4e-6)"),
    (sgdr(), "cosine_restarts()"),
    (sgdr(100, growth=2, warmup=10), "warmup(10) >> cosine_restarts(every=100, growth=2)"),
    (noam(100), "warmup(99, start=0.01) >> inverse_sqrt(every=100)"),
    (untuned_warmup(0.5), "warmup(3, start=0.25)"),
    (
        one_cycle_torch(100, 30, curve="linear", phases=3, start=0.25, floor=0.125),
        "warmup(29, start=0.25) >> linear(29, floor=0.25) >> (0.25 * linear(41, floor=0.5)) >> (0.125 * constant(1))",
    ),
]


@pytest.mark.parametrize(("recipe", "expected"), WRITTEN_OUT)
def test_a_recipe_is_what_it_says(recipe, expected):
    assert expected == str(recipe)


REFUSED = [
    (lambda: noam(1), "noam(warmup=...) must be a whole number of at least 2; got 1."),
    (lambda: noam(100, 0), "noam(width=...) must be a whole number of at least 1; got 0."),
    (lambda: untuned_warmup(1), "at least 0 and below 1; got 1."),
    (
        lambda: one_cycle_torch(10, 10),
        "needs warmup >= 2 and total_steps >= 11; got total_steps=10",
    ),
    (lambda: one_cycle_momentum(low=0.9, high=0.8), "needs 0 <= low <= high"),
    (lambda: wsd(shape=Cosine(5)), "must have no length, such as Linear(); got cosine(5)."),
    (lambda: wsd("70%", "40%"), "must add up to at most 100%"),
]


@pytest.mark.parametrize(("call", "expected"), REFUSED)
def test_a_recipe_refuses_arguments_outside_their_range(call, expected, refused):
    assert expected in refused(call)


@pytest.mark.parametrize("share", ["30%", "50%", 10])
def test_the_momentum_of_one_cycle_goes_against_the_rate(share):
    rate, momentum = one_cycle(share).over(100), one_cycle_momentum(share).over(100)
    rates, momenta = rate.table(), momentum.table()
    assert rates.argmax() == momenta.argmin()
    assert [0.95, pytest.approx(0.85, rel=1e-12)] == [momenta.max(), momenta.min()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wsd()", wsd()),
        ("3e-4 * wsd(2%, decay=50%, shape=rex())", 3e-4 * wsd("2%", "50%", Rex())),
        ("one_cycle()", one_cycle()),
        ("one_cycle(20%, curve=linear)", one_cycle("20%", curve="linear")),
        ("noam()", noam()),
        ("2 * noam(100, width=64)", 2 * noam(100, 64)),
        ("flat_cosine()", flat_cosine()),
        ("flat_cosine(flat=50%, floor=0.1)", flat_cosine("50%", 0.1)),
        ("warmup_cosine(0)", warmup_cosine(0)),
    ],
)
def test_a_recipe_is_read_from_text_and_written_as_what_it_is_made_of(text, expected):
    assert schedule(text) == expected
    assert schedule(str(expected)) == expected


def test_a_wrong_argument_of_a_recipe_is_pointed_at(refused):
    assert "unknown argument of wsd 'warm'; did you mean 'warmup'?" in refused("wsd(warm=3)")
    assert "one_cycle_torch needs 'total_steps'." in refused("one_cycle_torch()")
    assert "did you mean 'noam'" in refused("noan()")


def test_a_bare_function_of_the_step_is_a_schedule_and_a_deadline_is_told_apart(refused):
    inverse = schedule(lambda step: 1 / (1 + step))
    assert [inverse(0), inverse.over(10)(3)] == [1.0, 0.25]
    message = refused(lambda: schedule(wsd().over(100).by_deadline(60)))
    assert "a Deadline gives rates by elapsed time, not by step" in message
