"""Rates that are too low, and losses that show a problem of the data."""

import math

import numpy as np
import pytest


def test_a_loss_that_falls_in_a_straight_line_is_too_slow(runs):
    loss = 2.3 - 0.001 * np.arange(400) + 0.02 * np.random.default_rng(0).standard_normal(400)
    lr = np.full(400, 0.1)
    (finding,) = runs.diagnose(loss=loss, lr=lr, total_steps=400).findings
    assert (finding.code, finding.severity) == ("LR201", "advice")
    assert 0.4 < finding.evidence["second_half_share"] < 0.6


def test_without_a_rate_or_with_rows_far_apart_a_straight_fall_is_not_judged(runs):
    """A rate that is too high lets the loss fall as straight as the rate decays."""
    loss = 2.3 - 0.001 * np.arange(400) + 0.02 * np.random.default_rng(0).standard_normal(400)
    assert runs.diagnose(loss=loss).not_run["LR201"] == "no lr was recorded"
    lr = np.full(400, 0.1)
    thinned = {name: np.full(800, np.nan) for name in ("loss", "lr")}
    thinned["loss"][::2], thinned["lr"][::2] = loss, lr
    diagnosis = runs.diagnose(**thinned)
    assert "rows are 2 updates apart" in diagnosis.not_run["LR201"]
    assert "a rate that is too low (rows are 2 updates apart" in diagnosis.not_judged
    assert "LR201" not in diagnosis.codes()


def test_a_straight_fall_over_the_sum_of_rates_is_too_slow_under_any_schedule(runs):
    lr = runs.rate()
    noise = 0.01 * np.random.default_rng(0).standard_normal(400)
    loss = 2.3 - 0.4 * np.cumsum(lr) / lr.sum() + noise
    assert runs.codes(loss=loss, lr=lr) == ["LR201"]


def test_a_loss_that_falls_to_a_tenth_was_not_slow(runs):
    assert runs.codes(loss=np.linspace(2.0, 0.2, 400), total_steps=400) == []


def test_a_loss_that_noise_keeps_high_until_the_decay_is_not_too_slow(runs):
    """Such a rate is too high: the loss falls at once, stays, and falls again with the rate."""
    step = np.arange(400)
    loss = 2.3 - 0.8 * (1 - np.exp(-step / 4)) - 0.4 * np.clip((step - 240) / 160, 0.0, 1.0)
    loss += 0.02 * np.random.default_rng(0).standard_normal(400)
    assert runs.codes(loss=loss, lr=runs.rate()) == []


def test_a_straight_fall_that_is_interrupted_by_a_rise_is_not_too_slow(runs):
    """A rise of a quarter of the fall, in between the quarters of the run."""
    loss = 2.3 - 0.001 * np.arange(400) + 0.02 * np.random.default_rng(0).standard_normal(400)
    loss[230:260] += 0.1
    lr = np.full(400, 0.1)
    assert "LR201" not in runs.codes(loss=loss, lr=lr, total_steps=400)


@pytest.mark.parametrize("updates", [2, 20])
def test_a_rate_that_raises_the_loss_at_first_is_not_too_low(runs, updates):
    """At a hundred times its best rate, a loss came back from the burst in a straight line."""
    loss = 2.3 - 0.001 * np.arange(400) + 0.02 * np.random.default_rng(0).standard_normal(400)
    loss[1 : 1 + updates] += 100.0
    assert "LR201" not in runs.codes(loss=loss, lr=np.full(400, 0.1), total_steps=400)


def test_a_loss_that_slows_down_is_not_too_slow(runs):
    assert runs.codes(loss=runs.loss(over=60.0), lr=runs.rate()) == []


def test_early_in_a_run_nothing_is_too_slow(runs):
    loss = 2.3 - 0.001 * np.arange(80)
    assert runs.codes(loss=loss, total_steps=1000) == []


def test_a_rate_of_zero_learns_nothing(runs):
    loss = 2.3 + 0.02 * np.random.default_rng(0).standard_normal(400)
    (finding,) = runs.diagnose(loss=loss, lr=np.zeros(400)).findings
    assert finding.code == "LR202"
    assert "the rate is 0 in 100 % of the rows" in finding.message


def test_updates_of_size_0_learn_nothing(runs):
    loss = 2.3 + 0.02 * np.random.default_rng(0).standard_normal(400)
    diagnosis = runs.diagnose(loss=loss, lr=runs.rate(), update_ratio=np.zeros(400))
    assert "LR202" in diagnosis.codes()
    assert "the optimizer holds" in diagnosis.findings[0].remedy


def test_a_gradient_of_zero_learns_nothing(runs):
    loss = 2.3 + 0.02 * np.random.default_rng(0).standard_normal(400)
    (finding,) = runs.diagnose(loss=loss, lr=runs.rate(), gradient_norm=np.zeros(400)).findings
    assert (finding.code, finding.severity) == ("LR202", "error")
    assert "the gradient is 0 in 100 % of the rows" in finding.message


def test_a_loss_that_never_falls_is_no_finding_but_is_listed_as_not_judged(runs):
    loss = 2.3 + 0.02 * np.random.default_rng(0).standard_normal(400)
    norm = np.exp(0.1 * np.random.default_rng(1).standard_normal(400))
    for more in ({}, {"gradient_norm": norm}, {"update_ratio": 1e-6 * runs.rate()}):
        diagnosis = runs.diagnose(loss=loss, lr=runs.rate(), **more)
        assert diagnosis.codes() == []
        assert "a rate that is too high, a rate that is too low" in diagnosis.not_judged
        assert "the loss does not fall clearly beyond its own variation" in diagnosis.not_judged
        assert "judge the rate by a validation loss, a reward or probes" in diagnosis.not_judged


def test_a_rate_that_a_log_rounds_to_zero_is_not_zero_if_the_loss_falls(runs):
    assert "LR202" not in runs.codes(loss=runs.loss(), lr=np.zeros(400))


def test_early_in_a_run_a_loss_that_has_not_moved_yet_is_not_reported(runs):
    loss = 2.3 + 0.02 * np.random.default_rng(0).standard_normal(80)
    assert runs.codes(loss=loss, lr=runs.rate(n=80), total_steps=1000) == []
    assert runs.codes(loss=loss, lr=np.zeros(80), total_steps=1000) == ["LR202"]


def test_a_loss_that_falls_by_a_tenth_learns_something(runs):
    loss = 2.3 - 0.23 * (1 - np.exp(-np.arange(400) / 50))
    loss += 0.02 * np.random.default_rng(0).standard_normal(400)
    assert runs.codes(loss=loss, lr=runs.rate()) == []


def validated(runs, course):
    validation = np.full(400, np.nan)
    validation[19::20] = course
    return validation


def test_validation_that_rises_while_training_falls_overfits(runs):
    loss = runs.loss(over=50.0, floor=0.0, noise=0.01)
    course = np.concatenate([np.linspace(2.0, 0.9, 8), np.linspace(0.92, 1.4, 12)])
    (finding,) = runs.diagnose(
        loss=loss, lr=runs.rate(), validation=validated(runs, course)
    ).findings
    assert (finding.code, finding.step) == ("LR401", 159)
    assert math.isclose(finding.evidence["lowest_validation"], 0.9)


def test_a_validation_loss_that_rises_a_little_is_not_overfitting(runs):
    course = np.concatenate([np.linspace(2.0, 0.9, 8), np.linspace(0.9, 0.93, 12)])
    loss = runs.loss(over=50.0, floor=0.0, noise=0.01)
    assert runs.codes(loss=loss, lr=runs.rate(), validation=validated(runs, course)) == []


def test_a_validation_loss_near_zero_may_double(runs):
    course = np.concatenate([np.linspace(2.0, 0.02, 8), np.linspace(0.02, 0.04, 12)])
    loss = runs.loss(over=50.0, floor=0.0, noise=0.001)
    assert runs.codes(loss=loss, lr=runs.rate(), validation=validated(runs, course)) == []


def test_validation_that_rises_with_the_training_loss_is_not_overfitting(runs):
    loss = runs.loss()
    loss[160:] += np.linspace(0, 0.3, 240)
    course = np.concatenate([np.linspace(2.0, 0.9, 8), np.linspace(0.92, 1.4, 12)])
    assert "LR401" not in runs.codes(loss=loss, lr=runs.rate(), validation=validated(runs, course))


def test_a_loss_flat_at_chance_is_reported_if_chance_is_known(runs):
    loss = math.log(10) + 0.02 * np.random.default_rng(0).standard_normal(400)
    (finding,) = runs.diagnose(loss=loss, lr=runs.rate(), facts={"classes": 10}).findings
    assert finding.code == "LR402"
    assert finding.evidence["chance"] == math.log(10)
    (by_chance,) = runs.diagnose(
        loss=loss, lr=runs.rate(), facts={"chance": math.log(10)}
    ).findings
    assert by_chance.code == "LR402"


@pytest.mark.parametrize(("ratio", "codes"), [(1e-4, []), (1e-2, ["LR402"])])
def test_flat_at_chance_is_not_due_to_the_data_if_the_weights_have_hardly_moved(
    runs, ratio, codes
):
    loss = 2.3 + 0.02 * np.random.default_rng(0).standard_normal(runs.n)
    known = {"loss": loss, "lr": runs.rate(), "update_ratio": ratio * runs.rate() / 0.1}
    assert runs.codes(**known, facts={"classes": 10, "optimizer": "adam"}) == codes


def test_a_loss_a_twentieth_below_chance_is_not_at_chance(runs):
    loss = 0.95 * math.log(10) + 0.02 * np.random.default_rng(0).standard_normal(400)
    assert "LR402" not in runs.codes(loss=loss, lr=runs.rate(), facts={"classes": 10})


@pytest.mark.parametrize(
    "change",
    [
        lambda noise: 0.2 * abs(noise),  # single examples, learned well
        lambda noise: 1.5 * abs(noise),  # at chance in the mean, which is not known well enough
        lambda noise: 1.1 * np.exp(np.minimum(np.arange(noise.size), 60)),  # exploded
        lambda noise: np.where(np.arange(noise.size) // 40 == 2, 0.7, 1.1) + 0.02 * noise,
    ],
    ids=["below with noise", "unknown", "far above", "below for a tenth"],
)
def test_a_loss_that_was_below_chance_or_is_too_noisy_is_not_at_chance(runs, change):
    loss = change(np.random.default_rng(0).standard_normal(400))
    known = {"lr": runs.rate(), "facts": {"classes": 3}, "only": ["LR402"]}
    assert runs.codes(loss=loss, **known) == []


def test_a_loss_that_falls_all_the_way_to_chance_is_not_flat(runs):
    loss = np.linspace(3.5, 2.3, 400) + 0.02 * np.random.default_rng(0).standard_normal(400)
    known = {"loss": loss, "lr": runs.rate()}
    assert runs.codes(**known, facts={"chance": 2.4}) == []
    loss[200:] = 2.4 + 0.02 * np.random.default_rng(0).standard_normal(200)
    assert runs.codes(**known, facts={"chance": 2.4}) == ["LR402"]


def test_a_loss_that_is_flat_where_its_rate_has_decayed_is_not_at_chance(runs):
    """The rate falls by 40 % in every tenth of the run: 7 % of its sum is left for the second half."""
    loss = 2.27 + 0.02 * np.random.default_rng(0).standard_normal(400)
    known = {"loss": loss, "facts": {"classes": 10}, "only": ["LR402"]}
    assert runs.codes(lr=np.full(400, 0.1), **known) == ["LR402"]
    assert runs.codes(lr=0.1 * 0.6 ** (np.arange(400) // 40), **known) == []


def test_early_in_a_run_nothing_is_flat_at_chance_yet(runs):
    loss = math.log(10) + 0.02 * np.random.default_rng(0).standard_normal(80)
    known = {"loss": loss, "lr": runs.rate(n=80), "facts": {"classes": 10}, "only": ["LR402"]}
    assert runs.codes(**known, total_steps=1000) == []
    assert runs.codes(**known, total_steps=400) == ["LR402"]
