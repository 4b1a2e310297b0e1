"""Rates against overfitting, and logged sweeps: what must come out by construction."""

import numpy as np
import pytest

from learnrate.claims import run_claim
from learnrate.claims._logged import benchmark_sweeps
from learnrate.claims._overfitting import other_rate_claim
from learnrate.testing import quadratic_task


def test_the_same_rate_is_as_good_at_equal_time_and_at_equal_training_loss():
    same = other_rate_claim(statement="a", source="b", remark="", share=1.0, compared="itself")
    tested = run_claim(same, task=quadratic_task(total_steps=40), progress=False)
    values = {case.figure: case.value for case in tested.cases}
    assert values["equal time"] == pytest.approx(1.0)
    assert values["equal training loss"] == pytest.approx(1.0)


def test_every_logged_sweep_is_finite_and_its_best_rate_has_no_excess():
    for swept in benchmark_sweeps():
        best = swept.lr[swept.losses.mean(axis=1).argmin()]
        assert swept.ratios(best) == pytest.approx(np.ones(swept.losses.shape[1]))
        assert np.isfinite(swept.ratios(best / 10)).all()
