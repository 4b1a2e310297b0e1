"""A budget is a share of a run or a time, and says which of the two decided."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate import ArgumentError
from learnrate.planning._budget import Budget, Pace, Spending


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10min", 600), ("1.5 h", 5400), (" .5min", 30), ("1h", 3600)],
)
def test_a_time_is_a_number_with_its_unit(text, seconds):
    assert Budget.of(text) == Budget(None, seconds)


@pytest.mark.parametrize("share", [0.25, "0.25", 1, "1"])
def test_a_share_may_be_a_number_or_its_text(share):
    assert Budget.of(share) == Budget(float(share), None)


@pytest.mark.parametrize(
    "budget",
    [
        0,
        -1,
        1.5,
        math.nan,
        math.inf,
        True,
        "",
        "s",
        "0s",
        "-3s",
        "10",
        "1 day",
        "nan",
        "150%",
        "%",
    ],
)
def test_anything_else_is_refused_as_it_was_typed(budget):
    with pytest.raises(
        ArgumentError, match="a time such as 90s, 10min or 1h, or a share"
    ) as refusal:
        Budget.of(budget)
    assert str(refusal.value).endswith(f"such as 0.5 or 50%; got {budget!r}.")


@pytest.mark.parametrize(
    ("update", "updates", "text"),
    [
        (0.01, 8000, "1 min, which pays for 8 runs"),  # 6.7 runs of 9 s would be 5.6
        (1.0, 500, "50% of one run, which takes longer than 1 min"),
    ],
)
def test_by_default_half_a_run_or_a_minute_whichever_is_more(update, updates, text):
    pace = Pace(update=update * 0.7, validation=0.0)
    budget = Budget.of(None)
    assert budget.updates(1000, pace) == updates
    assert Spending(budget, updates, updates).text(1000) == text


def test_validations_cost_time_too():
    budget = Budget.of("64s")
    assert budget.updates(1000, Pace(0.001, 0.0)) == 64_000
    assert budget.updates(1000, Pace(0.001, 15.0)) == 4000


@given(
    seconds=st.floats(1, 1e5),
    update=st.floats(1e-5, 10),
    total_steps=st.integers(10, 10**6),
)
def test_a_time_pays_for_the_updates_that_fit_into_it_and_not_many_fewer(
    seconds, update, total_steps
):
    budget = Budget(None, seconds)
    updates = budget.updates(total_steps, Pace(update, 0.0))
    affordable = seconds / update
    assert 0.7 * affordable - 1 <= updates <= affordable * (1 + 1e-9)


def test_a_time_that_pays_for_a_sweep_says_so():
    spending = Spending(Budget.of("1min"), 64_000, 60_000)
    assert spending.text(1000) == "1 min, which pays for a sweep of whole runs"


def test_a_share_needs_no_pace():
    assert Budget.of(0.25).updates(1000, None) == 250
    assert Spending(Budget.of(0.25), 250, 250).text(1000) == "25% of one run"


@pytest.mark.parametrize(
    ("spent", "late", "text"),
    [
        (7900, False, "1 min, which pays for 8 runs"),
        (5200, False, "1 min, which pays for 8 runs; 5.2 runs were made"),
        (3000, True, "1 min, which was over after 3 runs instead of 8"),
        (9000, False, "1 min, which paid for 9 runs"),  # training was faster than expected
    ],
)
def test_the_text_says_what_was_not_needed_not_reached_or_added(spent, late, text):
    assert Spending(Budget.of("1min"), 8000, spent, late=late).text(1000) == text


@given(*[st.integers(0, 10**6)] * 4)
def test_a_plan_never_costs_more_than_it_was_allowed_to(updates, spent, further, shapes):
    spending = Spending(Budget.of("1min"), updates, spent, further, shapes)
    assert spending.runs(1000) >= spending.total / 1000


def test_what_was_spent_beyond_the_budget_is_named():
    spending = Spending(Budget.of(0.5), 500, 490, further=250, shapes=200)
    assert spending.runs(1000) == 0.95
    assert spending.text(1000) == "50% of one run, and 25% for further trials, and 20% for shapes"


@pytest.mark.parametrize("text", ["50%", " 50 %", "0.5"])
def test_a_share_may_be_a_percentage(text):
    assert Budget.of(text) == Budget.of(0.5)
