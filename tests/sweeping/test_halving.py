"""Successive halving: fewer updates, the same answer, and no rate dropped that was the best."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate.sweeping import sweep
from learnrate.sweeping._halving import missing_neighbour, remaining_rates, rungs
from learnrate.testing import quadratic_task

RATES = [float(f"{lr:.4g}") for lr in np.geomspace(1e-3, 1.0, 13)]


def swept(**changes):
    settings = {
        "lr": RATES,
        "seeds": 2,
        "total_steps": 360,
        "engine": "sequential",
        "progress": False,
    }
    settings |= changes
    return sweep(settings.pop("task", quadratic_task()), settings.pop("lr"), **settings)


@given(
    total_steps=st.integers(1, 10_000),
    rates=st.integers(1, 200),
    factor=st.integers(2, 5),
)
def test_rungs_increase_to_the_total_and_none_is_too_short(total_steps, rates, factor):
    lengths = rungs(total_steps, rates, factor)
    assert lengths[-1] == total_steps
    assert lengths == sorted(set(lengths))
    assert min(lengths) >= min(20, total_steps)
    assert len(lengths) == 1 or rates > 3


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.integers(2, 5))
def test_the_best_rate_remains_with_its_neighbours(means, factor):
    left = remaining_rates(np.array(means)[:, None], factor)
    best = int(np.argmin(means))
    assert {best - 1, best, best + 1} & set(range(len(means))) <= set(left)
    assert left == sorted(set(left))


@given(st.integers(3, 40), st.integers(0, 39), st.integers(0, 39))
def test_the_best_of_a_valley_is_found_wherever_it_was_started_from(rates, bottom, start):
    losses = np.abs(np.arange(rates) - min(bottom, rates - 1)).astype(float)[:, None]
    left = [min(start, rates - 1)]
    while (index := missing_neighbour(left, losses[left], rates)) is not None:
        left = sorted([*left, index])
    assert min(bottom, rates - 1) in left


@pytest.fixture(scope="module")
def whole():
    return swept()


@pytest.fixture(scope="module")
def halved():
    return swept(halving=3)


def test_it_gives_the_same_best_rate_for_fewer_updates(whole, halved):
    assert halved.best == whole.best
    updates = [sum(trial.steps for trial in result.trials) for result in (whole, halved)]
    assert updates[1] < 0.6 * updates[0]
    assert halved.lengths == (40, 120, 360)
    assert [len(halved.at_length(length)) for length in halved.lengths] == [26, 12, 6]


def test_trials_at_full_length_are_those_of_a_whole_sweep(whole, halved):
    full = halved.at_length(360)
    losses = {(trial.lr, trial.seed): trial.loss for trial in whole.trials}
    assert {(trial.lr, trial.seed): trial.loss for trial in full}.items() <= losses.items()
    assert halved.losses.shape == (len(full) // 2, 2)
    assert halved.total_steps == 360


def test_a_short_rung_has_the_whole_schedule():
    halved = swept(halving=3, shape="linear()")
    first = halved.at_length(40)[0]
    assert first.curve.lr[0] == first.lr
    assert first.curve.lr[-1] < 0.1 * first.lr


def test_a_few_rates_or_a_short_run_are_not_halved():
    assert swept(lr=RATES[:3], halving=3).lengths == (360,)
    assert swept(total_steps=40, halving=3).lengths == (40,)


def test_resumed_it_runs_nothing_again(tmp_path):
    first = swept(halving=3, out=tmp_path, total_steps=90)
    again = swept(halving=3, out=tmp_path, total_steps=90)
    assert again.resumed == len(first.trials)
    assert again.to_dict()["trials"] == first.to_dict()["trials"]


def test_where_everything_diverges_it_says_so():
    result = swept(lr=[1e6, 1e7, 1e8, 1e9], halving=2)
    assert result.best is None
    assert result.advice.startswith("no trial finished")


def test_the_picture_shows_the_shorter_rungs(halved):
    labels = halved.plot().get_legend_handles_labels()[1]
    assert labels[:2] == ["40 updates", "120 updates"]


@pytest.mark.parametrize("halving", [1, 0, 2.5, True])
def test_a_factor_below_two_is_refused(halving):
    with pytest.raises(ValueError, match="Example: halving=3"):
        swept(halving=halving)
