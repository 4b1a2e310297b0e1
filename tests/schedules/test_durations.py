"""Steps, shares, epochs, samples, tokens and deadlines."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate import ScheduleError
from learnrate.schedules import Chain, Clock, Constant, Exponential, Linear, Span, Warmup, schedule
from learnrate.schedules._durations import number_text


@given(
    shares=st.lists(st.integers(1, 12), min_size=2, max_size=8), total_steps=st.integers(1, 5000)
)
def test_shares_become_boundaries_by_cumulative_rounding(shares, total_steps):
    parts = [*(Linear(f"{share}%") for share in shares), Constant()]
    bound = Chain(tuple(parts)).over(total_steps)
    assert total_steps == bound.total_steps
    exact = [sum(shares[: i + 1]) * Fraction(total_steps, 100) for i in range(len(shares))]
    expected = sorted({int(edge + Fraction(1, 2)) for edge in exact} - {0, total_steps})
    lengths = [part.total_steps for part in getattr(bound, "parts", (bound,))]
    assert expected == np.cumsum(lengths)[:-1].tolist()


@given(before=st.integers(1, 50), after=st.integers(1, 50), total_steps=st.integers(101, 3000))
def test_the_open_part_takes_what_is_left_wherever_it_stands(before, after, total_steps):
    bound = schedule(f"warmup({before}) >> constant() >> linear({after})").over(total_steps)
    assert [before, total_steps - before - after, after] == [
        part.total_steps for part in bound.parts
    ]


@given(fixed=st.integers(1, 100), share=st.floats(0.1, 60), total_steps=st.integers(200, 4000))
def test_a_number_of_steps_is_never_rounded_by_the_shares_around_it(fixed, share, total_steps):
    chain = Chain((Linear(Span(share, "%")), Warmup(fixed), Constant()))
    bound = chain.over(total_steps)
    assert fixed in [part.total_steps for part in bound.parts if isinstance(part, Warmup)]


@pytest.mark.parametrize("text", ["33.3% 33.3% 33.4%", "10% 20% 70%", "0.1% 99.9%"])
def test_shares_that_add_up_to_the_whole_need_no_open_part(text):
    chain = Chain(tuple(Linear(share) for share in text.split()))
    assert [chain.over(total_steps).total_steps for total_steps in (1, 7, 100, 99_999)] == [
        1,
        7,
        100,
        99_999,
    ]


def test_a_share_that_rounds_to_no_step_is_left_out():
    assert str(schedule("warmup(5%) >> linear()").over(5)) == "linear(5)"
    assert str(schedule("warmup(5%) >> linear()").over(1)) == "linear(1)"


def test_binding_twice_is_binding_once():
    bound = schedule("3e-4 * warmup(5%) >> exponential()").over(1000)
    assert bound == bound.over(1000)
    assert str(bound) == "3e-4 * warmup(50) >> exponential(950, every=10)"


def test_periods_are_not_rounded_so_that_short_runs_decay_as_far_as_long_ones():
    ends = [Exponential().over(total_steps)(total_steps) for total_steps in (37, 149, 150, 10_000)]
    assert pytest.approx(ends, rel=1e-12) == [0.95**100] * 4


OVER = [
    ("warmup(500) >> cosine(9500)", 2000, "warmup(500) >> cosine(9500) has 10,000 steps and does not fit a run of 2,000. Write lengths as shares ('5%'), or leave one out"),
    ("warmup(5) >> constant(95)", 200, "or continue its stable phase with .stretch(200)."),
    ("warmup(500) >> cosine()", 400, "leaves no step for cosine(): the other parts take 500 of 400."),
    ("warmup(30%) >> linear(60%)", 1000, "has 900 steps and does not fit a run of 1,000."),
    ("table([1, 0.5])", 3, "has 2 steps and does not fit a run of 3."),
    ("warmup(2ep) >> cosine()", 1000, "2ep is counted in epochs. Give their length with .over(total_steps, clock=Clock(steps_per_epoch=...)), or write it in updates or as a share of the run, such as 5%."),
    ("delay(linear(), steps=100)", 100, "waits 100 of 100 steps and leaves none for linear()"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "total_steps", "expected"), OVER)
def test_lengths_that_do_not_fit_are_one_clear_error(text, total_steps, expected, refused):
    assert expected in refused(lambda: schedule(text).over(total_steps))


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("3e-4 * warmup(0) >> cosine()", "3e-4 * cosine(100)"),
        ("warmup(0%) >> constant() >> linear(20%)", "constant(80) >> linear(20)"),
        ("warmup(5) >> constant() >> linear(0)", "warmup(5) >> constant(95)"),
        ("warmup(100) >> cosine()", "warmup(100)"),
        ("warmup(100%) >> cosine()", "warmup(100)"),
        ("delay(cosine(), steps=0)", "cosine(100)"),
    ],
)
def test_a_part_of_length_0_is_left_out_as_its_peers_do(text, bound):
    unbound = schedule(text)
    assert schedule(str(unbound)) == unbound
    assert str(unbound.over(100)) == bound


@pytest.mark.parametrize("total_steps", [0, -1, 2.0, True, "5", None])
def test_a_total_is_a_whole_number_of_at_least_one(total_steps):
    with pytest.raises(ScheduleError, match="must be a whole number of at least 1"):
        Linear().over(total_steps)


def test_a_chain_may_have_one_open_part_and_shares_of_at_most_100_percent(refused):
    assert "has 2: cosine(), linear()" in refused("cosine() >> linear()")
    message = refused("linear(60%) >> linear(50%)")
    assert "must add up to at most 100%; linear(60%) >> linear(50%) has 110%." in message


def test_a_schedule_says_whether_it_is_bound():
    texts = [
        "constant()",
        "warmup(5) >> constant()",
        "warmup(5) >> cosine(5)",
        "linear()",
        "linear(5%)",
    ]
    parsed = [schedule(text) for text in texts]
    assert [part.bound for part in parsed] == [False, False, True, False, False]
    assert [part.ready for part in parsed] == [True, True, True, False, False]
    assert [part.total_steps for part in parsed] == [None, None, 10, None, None]


def test_epochs_samples_and_tokens_need_a_clock():
    clock = Clock(steps_per_epoch=390, samples_per_step=128, tokens_per_step=4096)
    text = "warmup(2ep) >> constant(128e3sa) >> linear(4.096e6tok) >> step(every=1ep)"
    bound = schedule(text).over(5000, clock=clock)
    assert str(bound) == "warmup(780) >> constant(1000) >> linear(1000) >> step(2220, every=390)"


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "3"])
def test_the_units_of_a_clock_are_above_zero(value):
    with pytest.raises(ScheduleError, match="must be finite and above 0"):
        Clock(steps_per_epoch=value)


@given(number=st.floats(1e-300, 1e300))
def test_the_text_of_a_number_reads_back_as_it(number):
    assert number == float(number_text(number))
    assert -number == float(number_text(-number))
    assert len(number_text(number)) <= len(repr(number))


@given(elapsed=st.floats(0, 1e6), seconds=st.floats(1, 1e5))
def test_a_deadline_reads_the_schedule_by_the_clock(elapsed, seconds):
    base = schedule("3e-4 * warmup(5%) >> linear()")
    timed = base.by_deadline(seconds, total_steps=10_000)
    assert 0 <= timed.step(elapsed) <= 10_000
    assert base.over(10_000)(timed.step(elapsed)) == timed(elapsed)
    assert 0.0 == timed(seconds) == timed(2 * seconds)


def test_a_deadline_needs_a_length_and_a_time(refused):
    assert "must be a bound schedule" in refused(lambda: Linear().by_deadline(60))
    assert "must be finite and above 0" in refused(lambda: Linear(5).by_deadline(0))
    assert "at least 0 seconds" in refused(lambda: Linear(5).by_deadline(60)(-1))
