"""Rates that are too high: the smallest series that shows it, and the closest that does not."""

import numpy as np
import pytest

from learnrate.watch import Observations, Severity, Watcher, diagnose
from learnrate.watch._reading import Reading


def test_a_healthy_run_has_no_finding(runs):
    assert runs.codes(loss=runs.loss(), lr=runs.rate(), total_steps=400) == []


def test_a_loss_that_is_not_finite_at_the_end_diverged(runs):
    loss = runs.loss()
    loss[390:] = np.inf
    (finding,) = runs.diagnose(loss=loss, lr=runs.rate()).findings
    assert (finding.code, finding.step, finding.severity) == ("LR101", 390, Severity.ERROR)
    assert finding.evidence["not_finite_rows"] == 10
    assert "step 390" in finding.message


def test_a_single_loss_that_is_not_finite_is_not_a_divergence(runs):
    loss = runs.loss()
    loss[200] = np.inf
    assert runs.codes(loss=loss, lr=runs.rate()) == []


def test_a_loss_that_rises_and_stays_there_diverged(runs):
    loss = runs.loss()
    loss[250:] = 2.3
    (finding,) = runs.diagnose(loss=loss, lr=runs.rate()).findings
    assert finding.code == "LR101"
    assert 240 <= finding.step <= 260


@pytest.mark.parametrize(("errors", "codes"), [(7.0, []), (13.0, ["LR101"])])
def test_a_jump_must_exceed_eight_standard_errors_of_a_level(runs, errors, codes):
    loss = np.random.default_rng(0).standard_normal(60)  # 60 rows are their own levels
    loss[:3] = loss[-6:] = errors * Reading(runs.observed(loss=loss)).level_error
    assert runs.codes(loss=loss, only=["LR101"]) == codes


def test_a_loss_that_recovers_did_not_diverge(runs):
    loss = runs.loss()
    loss[250:300] = 2.3
    assert runs.codes(loss=loss, lr=runs.rate()) == ["LR103"]


def test_a_loss_that_rises_with_a_warm_restart_does_not_oscillate(runs):
    loss, step = runs.loss(), np.arange(runs.n)
    loss[200:] += 1.5 * np.exp(-(step[200:] - 200) / 30)
    rate = 0.05 * (1.0 + np.cos(np.pi * (step % 200) / 200))
    assert runs.codes(loss=loss, lr=rate, only=["LR103"]) == []
    assert runs.codes(loss=loss, lr=runs.rate(), only=["LR103"]) == ["LR103"]


def spiked(runs, firsts, height=1.0, length=6):
    loss = runs.loss()
    for first in firsts:
        loss[first : first + length] += height
    return loss


def test_three_spikes_are_reported(runs):
    (finding,) = runs.diagnose(loss=spiked(runs, (120, 200, 300)), lr=runs.rate()).findings
    assert finding.code == "LR102"
    assert np.allclose(finding.evidence["steps"], [123, 203, 303], atol=3)
    assert finding.evidence["highest"] == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(
    ("firsts", "height", "length"),
    [((120, 200), 1.0, 6), ((120, 200, 300), 0.1, 6), ((120, 200, 300), 1.0, 1)],
    ids=["two spikes", "low ones", "single hard batches"],
)
def test_fewer_or_smaller_spikes_are_not_reported(runs, firsts, height, length):
    assert runs.codes(loss=spiked(runs, firsts, height, length), lr=runs.rate()) == []


def test_long_rises_are_an_oscillation_and_not_spikes(runs):
    firsts = (100, 180, 260, 340)
    assert runs.codes(loss=spiked(runs, firsts, length=14), lr=runs.rate()) == ["LR102"]
    assert runs.codes(loss=spiked(runs, (180, 280), 1.5, length=45), lr=runs.rate()) == ["LR103"]


def test_a_loss_that_is_high_for_most_of_the_run_cannot_be_judged(runs):
    firsts = (100, 180, 260, 340)
    diagnosis = runs.diagnose(loss=spiked(runs, firsts, length=60), lr=runs.rate())
    assert diagnosis.codes() == []
    assert "does not fall clearly" in diagnosis.not_run["LR103"]


def test_repeated_spikes_are_not_a_missing_warm_up_even_if_the_first_comes_early(runs):
    lr = 0.05 * (1 + np.cos(np.pi * np.arange(400) / 400))
    diagnosis = runs.diagnose(loss=spiked(runs, (4, 120, 200, 300), 2.0, length=10), lr=lr)
    assert diagnosis.codes() == ["LR102"]
    assert diagnosis.explained["LR304"] == "LR102"


def test_an_oscillation_in_the_first_quarter_of_a_live_run_is_not_reported_yet(runs):
    loss = runs.loss()
    loss[150:240] += 1.3
    known = {"loss": loss, "lr": runs.rate(), "only": ["LR103"]}
    assert runs.codes(**known, total_steps=400) == ["LR103"]
    assert runs.codes(**known, total_steps=2000) == []


def test_a_loss_that_rises_by_two_thirds_of_its_decrease_oscillates(runs):
    loss = runs.loss()
    loss[150:240] += 1.3
    (finding,) = runs.diagnose(loss=loss, lr=runs.rate()).findings
    assert finding.code == "LR103"
    assert finding.evidence["high"] - finding.evidence["low"] == pytest.approx(1.3, abs=0.1)


def test_a_rise_by_a_third_of_the_decrease_is_no_oscillation(runs):
    loss = runs.loss()
    loss[150:240] += 0.7
    assert runs.codes(loss=loss, lr=runs.rate()) == []


def test_a_loss_that_bounces_every_update_oscillates(runs):
    bounce = 0.2 * (-1.0) ** np.arange(400)
    assert runs.codes(loss=runs.loss() + bounce, lr=runs.rate()) == ["LR103"]


def test_noise_of_the_size_of_a_bounce_is_no_oscillation(runs):
    assert runs.codes(loss=runs.loss(noise=0.2), lr=runs.rate()) == []


def sharp(ratio, limit=2.0, rate=0.1):
    return [[step, ratio * limit / rate] for step in range(0, 400, 40)]


def test_a_rate_above_two_over_the_sharpness_is_beyond_the_edge(runs):
    facts = {"optimizer": "sgd", "sharpness": sharp(1.5)}
    (finding,) = runs.diagnose(
        loss=runs.loss(), lr=np.full(400, 0.1), facts=facts, only=["LR104"]
    ).findings
    assert finding.evidence["median_ratio"] == pytest.approx(1.5)
    assert finding.evidence["limit"] == 2.0


@pytest.mark.parametrize(
    ("optimizer", "more", "limit"),
    [
        ("sgd", {}, 2.0),
        ("sgd", {"momentum": 0.9}, 3.8),
        ("adam", {"preconditioned": True}, 38.0),
        ("adam", {"preconditioned": True, "betas": [0.8, 0.99]}, 18.0),
        ("SGD", {"momentum": 0.9, "nesterov": True}, 3.8 / 2.8),
        ("RMSprop", {"preconditioned": True, "momentum": 0.0}, 2.0),
    ],
)
def test_at_the_edge_of_each_optimizer_nothing_is_reported(runs, optimizer, more, limit):
    facts = {"optimizer": optimizer, "sharpness": sharp(1.05, limit)} | more
    known = {"loss": runs.loss(), "lr": np.full(400, 0.1), "only": ["LR104"]}
    assert runs.diagnose(facts=facts, **known).findings == ()
    beyond = facts | {"sharpness": sharp(1.3, limit)}
    assert runs.diagnose(facts=beyond, **known).codes() == ["LR104"]


def test_the_limit_is_that_of_the_momentum_at_each_measurement(runs):
    """As under OneCycleLR: Adam's first beta falls from 0.95 to 0.85, and the limit from 78 to 24.7."""
    facts = {"optimizer": "adam", "preconditioned": True, "betas": [0.95, 0.99]}
    known = {"loss": runs.loss(), "lr": np.full(400, 0.1), "only": ["LR104"]}
    low, high = (38.0 * factor for factor in (37 / 57, 39 / 19))
    measured = [[step, 1.3 * (high if step < 100 else low) / 0.1] for step in range(0, 400, 40)]
    falls = {"momentum_used": [[90, 0.85]], "sharpness": measured}
    (finding,) = runs.diagnose(facts=facts | falls, **known).findings
    assert finding.evidence["median_ratio"] == pytest.approx(1.3)
    assert finding.evidence["limit"] is None
    assert "times the limit (median)" in finding.message
    assert runs.codes(facts=facts | {"sharpness": measured}, **known) == []


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, "no sharpness was measured"),
        ({"sharpness": [[0, 1.0]], "optimizer": "sgd"}, "only 1 measurement of"),
        ({"sharpness": [[s, 1.0] for s in range(9)], "optimizer": "adam"}, "preconditioned"),
    ],
)
def test_without_a_usable_sharpness_the_rule_of_the_edge_does_not_run(runs, facts, why):
    diagnosis = runs.diagnose(loss=runs.loss(), lr=runs.rate(), facts=facts)
    assert why in diagnosis.not_run["LR104"]


def test_clipping_of_most_updates_is_reported(runs):
    clipped = np.tile([1.0, 1.0, 0.0], 134)[:400]
    (finding,) = runs.diagnose(loss=runs.loss(), lr=runs.rate(), clipped=clipped).findings
    assert finding.code == "LR105"
    assert finding.evidence["share"] == pytest.approx(2 / 3, abs=0.01)


def test_clipping_is_computed_from_the_norms_and_the_limit(runs):
    norm = np.full(400, 3.0)
    known = {"loss": runs.loss(), "lr": runs.rate(), "gradient_norm": norm}
    assert runs.codes(**known, facts={"clip_norm": 1.0}) == ["LR105"]
    assert runs.codes(**known, facts={"clip_norm": 4.0}) == []


def test_a_third_of_the_updates_clipped_is_usual(runs):
    clipped = np.tile([1.0, 0.0, 0.0], 134)[:400]
    assert runs.codes(loss=runs.loss(), lr=runs.rate(), clipped=clipped) == []


def test_clipping_at_the_beginning_alone_is_usual(runs):
    clipped = (np.arange(400) < 40).astype(float)
    assert runs.codes(loss=runs.loss(), lr=runs.rate(), clipped=clipped) == []


def test_the_ratio_of_a_probe_has_priority_over_the_facts(runs):
    """Its ratio includes weight decay, groups and dampening; the facts alone would give 0.5."""
    known = {"loss": runs.loss(), "lr": np.full(400, 0.1), "only": ["LR104"]}
    facts = {"optimizer": "sgd", "sharpness": sharp(0.5)}
    assert runs.codes(**known, facts=facts) == []
    ratios = [[step, 1.5] for step, _ in sharp(0.5)]
    (finding,) = runs.diagnose(**known, facts=facts | {"edge_ratio": ratios}).findings
    assert finding.evidence["median_ratio"] == 1.5
    # and it is enough where nothing is known of the optimizer
    assert runs.codes(**known, facts={"edge_ratio": ratios}) == ["LR104"]


def test_a_watcher_judges_by_measurements_that_come_while_it_is_fed(runs):
    watcher = Watcher("a", total_steps=400, facts={"optimizer": "Adam", "preconditioned": True})
    known = {"loss": runs.loss(), "lr": np.full(400, 0.1)}
    findings = []
    for first in range(0, 400, 20):
        rows = {name: column[first : first + 20] for name, column in known.items()}
        measured = [pair for pair in sharp(1.5, limit=38.0) if pair[0] < first + 20]
        findings += watcher.feed(np.arange(first, first + 20), rows, {"sharpness": measured})
    assert [finding.code for finding in findings] == ["LR104"]


def climbing(runs, since=0.6, growth=1000.0):
    """A constant rate that grows exponentially from some share of the run on."""
    share = np.clip((np.arange(runs.n) / runs.n - since) / (1 - since), 0.0, 1.0)
    return 0.01 * growth**share


def test_a_loss_that_rises_with_the_rate_above_its_start_has_diverged(runs):
    rate = climbing(runs)
    loss = runs.loss() + np.maximum(rate / 0.01 - 1.0, 0.0) ** 0.8
    (finding,) = runs.diagnose(loss=loss, lr=rate).findings
    assert (finding.code, finding.severity) == ("LR101", Severity.ERROR)
    assert "as the rate rose" in finding.message
    assert "Keep the rate at 0.01" in finding.remedy
    assert finding.evidence["last_rate"] == pytest.approx(rate[-1])
    shifted = runs.diagnose(loss=1000.0 * loss - 76.2, lr=rate, only=["LR101"]).findings
    assert [other.step for other in shifted] == [finding.step]


@pytest.mark.parametrize(
    "rate_of",
    [
        lambda runs: np.full(runs.n, 0.01),
        lambda runs: 0.01 * np.linspace(0.1, 1.0, runs.n),
        lambda runs: climbing(runs, growth=2.0),
    ],
    ids=["constant", "a warm-up", "hardly higher"],
)
def test_a_gradual_rise_at_a_rate_that_did_not_climb_is_not_a_divergence(runs, rate_of):
    loss = runs.loss() + np.maximum(climbing(runs) / 0.01 - 1.0, 0.0) ** 0.8
    codes = runs.diagnose(loss=loss, lr=rate_of(runs), only=["LR101"]).codes()
    assert codes == []


def burst(runs, back_over, height=40.0):
    """A loss that bursts above its start within some updates and comes back."""
    step = np.arange(runs.n)
    return runs.loss() + height * (1 - np.exp(-step / 3)) * np.exp(-step / back_over)


def test_a_loss_that_is_above_its_start_for_long_and_recovers_is_reported(runs):
    (finding,) = runs.diagnose(loss=burst(runs, 100.0), lr=runs.rate()).findings
    assert (finding.code, finding.severity) == ("LR108", Severity.ADVICE)
    loss = burst(runs, 100.0)
    assert finding.evidence["start"] == loss[0]
    assert finding.evidence["share"] == pytest.approx(np.mean(loss > loss[0]), abs=0.01)
    assert "0.033, and then of 0.011" in finding.remedy


def test_the_share_above_the_start_counts_updates_and_not_rows():
    step = np.r_[
        np.arange(300), 300 + 10 * np.arange(400)
    ]  # every update first, and then every tenth
    loss = 0.2 + 2.1 * np.exp(-step / 30) + 40 * (1 - np.exp(-step / 3)) * np.exp(-step / 1000)
    observations = Observations(run="a", step=step, columns={"loss": loss})
    (finding,) = diagnose(observations, only=["LR108"]).findings
    back = step[np.flatnonzero(loss > loss[0])[-1]]
    assert finding.evidence["share"] == pytest.approx(back / 4291, abs=0.003)
    assert "for 69 % of the run" in finding.message


@pytest.mark.parametrize(
    "loss_of",
    [
        lambda runs: burst(runs, 15.0),
        lambda runs: 2.3 + 20.0 * np.minimum(1.0, np.arange(runs.n) / 40.0),
        lambda runs: burst(runs, 100.0)[40:],
        lambda runs: np.r_[-2.0, np.random.default_rng(1).standard_normal(runs.n - 1)],
    ],
    ids=["a short burst", "it stays high", "it began at the top", "noise above a low start"],
)
def test_shorter_or_smaller_rises_above_the_start_are_not_reported(runs, loss_of):
    loss = loss_of(runs)
    assert runs.codes(loss=loss, lr=runs.rate(n=loss.size), only=["LR108"]) == []


@pytest.mark.parametrize(("cut_at", "codes"), [(100, ["LR108"]), (300, [])])
def test_a_loss_that_recovers_at_the_full_rate_shows_that_the_rate_is_tolerated(
    runs, cut_at, codes
):
    lr = np.where(np.arange(400) < cut_at, 0.1, 0.01)
    loss = burst(runs, 70.0)
    assert 200 < np.flatnonzero(loss > loss[0])[-1] < 300
    assert runs.codes(loss=loss, lr=lr, only=["LR108"]) == codes


def test_a_log_that_begins_later_has_no_initial_loss(runs):
    loss = burst(runs, 100.0)
    columns = {"loss": loss, "lr": runs.rate()}
    late = Observations(run="late", step=np.arange(100, 100 + runs.n), columns=columns)
    diagnosis = diagnose(late, only=["LR108"])
    assert diagnosis.codes() == []
    assert "start of the run is not recorded" in diagnosis.not_run["LR108"]


def test_a_validation_loss_far_above_the_range_of_the_training_loss_exploded(runs):
    """One example a batch: the training loss is 0 again and again although the weights exploded."""
    loss = np.where(np.arange(400) % 7, 0.0, 0.9)
    validation = np.full(400, np.nan)
    validation[49::50] = np.geomspace(10.0, 3.6e30, 8)
    (finding,) = runs.diagnose(loss=loss, validation=validation, only=["LR101"]).findings
    assert finding.evidence == {"start": 0.9, "end": 3.6e30, "rate": None}
    scaled = {"loss": 0.01 * loss - 5.0, "validation": 0.01 * validation - 5.0}
    assert runs.codes(**scaled, only=["LR101"]) == ["LR101"]
    validation[-51:] = 800.0
    assert runs.codes(loss=loss, validation=validation, only=["LR101"]) == []


def test_a_loss_that_ends_below_its_first_value_has_not_diverged(runs):
    """The second loss is one after an update: it is no start to compare the end with."""
    step, noise = np.arange(400), 0.002 * np.random.default_rng(0).standard_normal(400)
    loss = 0.157 + 60.0 * np.exp(-np.abs(step - 20) / 5.0) * (step > 2) + noise
    loss[:3] = [0.9, 0.12, 0.11]
    assert runs.codes(loss=loss, only=["LR101"]) == []
    loss[0] = 0.12
    assert runs.codes(loss=loss, only=["LR101"]) == ["LR101"]
