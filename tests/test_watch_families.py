"""The second corpus of runs: its rates, its costs, its thinned logs, and how it is scored."""

import math

import numpy as np
import pytest
from watch_families import leave_out
from watch_families.labels import Label
from watch_families.logs import LoggedRun
from watch_families.memo import Memo
from watch_families.path_fit import PathRow, features, left_out_predictions
from watch_families.rates import rates_of
from watch_families.scoring import Score, Verdict
from watch_families.specs import specs
from watch_families.sweep import Truth, cost_of
from watch_families.views import findings_in, thinned_log

from learnrate.watch import RULES, Options


def logged(columns, **about):
    rows = len(columns["loss"])
    usual = {"family": "vae", "name": "a", "fault": "healthy", "seed": 0}
    return LoggedRun(about=usual | about, step=np.arange(rows), columns=columns)


def spec_of(fault):
    return next(spec for spec in specs("vae") if spec.fault == fault)


def test_a_thinned_row_has_the_mean_loss_and_the_last_rate_of_its_updates():
    columns = {"loss": np.arange(40.0), "lr": np.arange(40.0)}
    thinned = thinned_log(logged(columns), "every 10th")
    assert thinned.step.tolist() == [9, 19, 29, 39]
    assert thinned.column("loss").tolist() == [4.5, 14.5, 24.5, 34.5]
    assert thinned.column("lr").tolist() == [9, 19, 29, 39]
    assert len(thinned_log(logged(columns), "20 rows").step) == 20


def test_a_row_without_a_value_stays_empty_and_a_loss_that_is_not_finite_stays_so():
    columns = {"loss": np.r_[np.ones(15), np.full(5, np.inf)], "validation": np.full(20, np.nan)}
    thinned = thinned_log(logged(columns), "every 10th")
    assert thinned.column("loss").tolist() == [1.0, math.inf]
    assert np.isnan(thinned.column("validation")).all()


@pytest.mark.parametrize(
    ("fault", "ratio"), [("zero_from_half", 0.0), ("resume_x10", 10.0), ("resume_/10", 0.1)]
)
def test_a_fault_changes_the_last_rates_alone(fault, ratio):
    spec = spec_of(fault)
    healthy = rates_of(spec.__class__(**vars(spec) | {"fault": "healthy"}), 0.1)
    rates = rates_of(spec, 0.1)
    assert np.array_equal(rates[:40], healthy[:40])
    assert np.allclose(rates[-20:], ratio * healthy[-20:])


def test_a_cost_is_a_share_of_the_best_or_of_the_fall_and_nothing_within_noise():
    metrics = {0.01: [2.0], 0.1: [1.0, 1.02], 1.0: [math.inf]}
    truth = Truth(metrics=metrics, start=3.01, norm=1.0, zero=True)
    assert truth.best_rate == 0.1
    assert cost_of(truth, 1.02) == 0
    assert cost_of(truth, 2.02) == pytest.approx(1.0)
    level = Truth(metrics=metrics, start=3.01, norm=1.0, zero=False)
    assert cost_of(level, 2.01) == pytest.approx(0.5)
    assert truth.at_factor(0.1) == 2.0
    assert truth.at_factor(2.0) == math.inf


@pytest.mark.parametrize(
    ("truth", "direction", "is_wrong"),
    [
        ("lower", "raise", True),
        ("lower", "lower", False),
        ("raise", "lower", True),
        ("right", "raise", False),
        ("right", None, False),
        ("either", "lower", False),
    ],
)
def test_advice_goes_the_wrong_way_if_the_opposite_is_true(truth, direction, is_wrong):
    score = Score()
    run = logged({"loss": np.ones(3)}, fault="rate_x10")
    score.add(run, Label("a", True, 1.0, truth), [Verdict("LR999", "advice", direction)])
    assert bool(score.wrong) is is_wrong


def test_the_thresholds_for_a_family_do_not_depend_on_its_own_runs(monkeypatch):
    families = ["vae", "gan", "graph"]
    worths = {"vae": [0.0, 9.0, 9.0], "gan": [1.0, 0.0, 0.0], "graph": [0.0, 0.0, 0.0]}
    monkeypatch.setattr(leave_out, "logged_runs", lambda _family: (True,))
    monkeypatch.setattr(leave_out, "GRID", {"LR101": "noise"})
    monkeypatch.setattr(leave_out, "_worths", lambda family: {"LR101": worths[family]})
    chosen = leave_out.left_out_options(families)
    default = leave_out.RULES[0].options
    assert chosen["vae"].diverged == default
    assert chosen["gan"].diverged != default
    assert chosen["graph"].diverged != default


def test_every_chosen_threshold_is_one_of_its_rule():
    for rule in RULES:
        name = leave_out.GRID.get(rule.code)
        assert name is None or hasattr(rule.options, name)
    assert set(leave_out.GRID) <= {rule.code for rule in RULES}


@pytest.mark.parametrize("view", ["live", "full", "30 rows"])
def test_a_stored_result_of_a_rule_is_what_the_rule_finds(tmp_path, view):
    steps = np.arange(300)
    loss = 0.2 + 2.1 * np.exp(-steps / 30) + 0.02 * np.random.default_rng(0).standard_normal(300)
    columns = {"loss": np.where(steps < 250, loss, 2.4), "lr": np.full(300, 0.1)}
    facts = {"facts": {}, "schedule_planned": None, "total_steps": 300, "share": 1}
    run = logged(columns, **facts)
    plain = [finding.code for finding in findings_in(run, view, Options())]
    assert "LR101" in plain
    memo = Memo("vae", view, tmp_path)
    for rules in (memo.rules(), memo.rules()):
        assert [finding.code for finding in findings_in(run, view, Options(), rules)] == plain
    memo.save()
    stored = Memo("vae", view, tmp_path)
    assert stored._answers.keys() == {rule.code for rule in RULES}
    assert stored._answers == memo._answers


def test_a_fit_without_a_family_finds_the_line_that_all_families_are_on():
    rng = np.random.default_rng(0)
    rows = [
        PathRow(family, decades, 0.0, {"log_distance": decades / 2, "turn_2": turn})
        for family in ("vae", "gan", "graph")
        for decades, turn in zip(rng.uniform(-2, 1.5, 400), rng.uniform(-1, 1, 400), strict=True)
    ]
    rows.append(PathRow("vae", 1.0, 0.0, {"log_distance": 0.5}))
    predictions = left_out_predictions(rows, ("log_distance", "turn_2"))
    assert np.isnan(predictions[-1])
    assert np.allclose(predictions[:-1], [row.decades for row in rows[:-1]], atol=0.01)


def test_the_fit_for_a_family_does_not_depend_on_its_own_runs():
    rows = [PathRow(f, d, 0.0, {"turn_2": d}) for f in ("vae", "gan") for d in (-1.0, 0.0, 1.0)]
    odd = [PathRow("graph", 1.0, 0.0, {"turn_2": turn}) for turn in (-0.9, -0.8, -0.7)]
    predictions = left_out_predictions(rows + odd, ("turn_2",))
    assert (predictions[-3:] < 0).all()
    alone = left_out_predictions(rows + rows[3:], ("turn_2",))
    assert np.allclose(alone[:3], alone[3:6], atol=0.2)


def test_the_numbers_of_a_path_keep_to_their_ranges():
    numbers = features({"path_turn_2": 3.0, "path_slope_1": -50.0, "path_distance": 1e9})
    assert numbers["turn_2"] == 1.0
    assert numbers["slope_1"] == -1.0
    assert numbers["log_turn"] == -3.0
    assert numbers["log_distance"] == 1.5
