"""Rates against overfitting, and predictions from other curves: what must come out by construction."""

import numpy as np
import pytest

from learnrate import schedule
from learnrate.claims import run_claim
from learnrate.claims._logged import benchmark_sweeps
from learnrate.claims._overfitting import other_rate_claim
from learnrate.claims.one_or_two_curves_predict_a_schedule import _equal_sum
from learnrate.forecasting import LossCurve
from learnrate.testing import quadratic_task


def test_the_same_rate_is_as_good_at_equal_time_and_at_equal_training_loss():
    same = other_rate_claim(statement="a", source="b", remark="", share=1.0, compared="itself")
    tested = run_claim(same, task=quadratic_task(total_steps=40), progress=False)
    values = {case.figure: case.value for case in tested.cases}
    assert values["equal time"] == pytest.approx(1.0)
    assert values["equal training loss"] == pytest.approx(1.0)


def test_a_constant_run_predicts_the_loss_after_as_large_a_sum_of_rates():
    steps = np.arange(1, 101)
    curve = LossCurve(name="a", lr=np.full(100, 0.2), step=steps, loss=100.0 - steps)
    assert _equal_sum([curve], schedule("0.1 * constant(100)")) == pytest.approx(50.0)


def test_every_logged_sweep_is_finite_and_its_best_rate_has_no_excess():
    for swept in benchmark_sweeps():
        best = swept.lr[swept.losses.mean(axis=1).argmin()]
        assert swept.ratios(best) == pytest.approx(np.ones(swept.losses.shape[1]))
        assert np.isfinite(swept.ratios(best / 10)).all()
