"""Sweeps that were logged before: what must come out by construction."""

import numpy as np
import pytest

from learnrate.claims._logged import benchmark_sweeps


def test_every_logged_sweep_is_finite_and_its_best_rate_has_no_excess():
    for swept in benchmark_sweeps():
        best = swept.lr[swept.losses.mean(axis=1).argmin()]
        assert swept.ratios(best) == pytest.approx(np.ones(swept.losses.shape[1]))
        assert np.isfinite(swept.ratios(best / 10)).all()
