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
