"""Artificial runs: a loss that falls, a rate that warms up and decays, and changes to them."""

import numpy as np
import pytest

from learnrate.watch import Observations, diagnose


class Runs:
    """Columns of a healthy run of `n` updates, and a diagnosis of any columns."""

    n = 400

    def loss(self, *, n=None, noise=0.02, seed=0, floor=0.2, over=30.0):
        n = n or self.n
        noise_values = np.random.default_rng(seed).standard_normal(n)
        return floor + 2.1 * np.exp(-np.arange(n) / over) + noise * noise_values

    def rate(self, *, n=None, peak=0.1, warm=20):
        n = n or self.n
        step = np.arange(n)
        rise = np.minimum(1.0, (step + 1) / warm)
        fall = 0.5 * (1.0 + np.cos(np.pi * np.clip((step - warm) / (n - warm), 0.0, 1.0)))
        return peak * np.where(step < warm, rise, fall)

    def observed(self, *, total_steps=None, schedule=None, facts=None, **columns):
        n = max(len(values) for values in columns.values())
        return Observations(
            run="artificial",
            step=np.arange(n),
            columns={name: np.asarray(values, dtype=float) for name, values in columns.items()},
            total_steps=total_steps,
            schedule=schedule,
            facts=facts or {},
        )

    def diagnose(self, options=None, only=None, **known):
        return diagnose(self.observed(**known), options, only=only)

    def codes(self, **known):
        return self.diagnose(**known).codes()


@pytest.fixture(scope="session")
def runs():
    return Runs()
