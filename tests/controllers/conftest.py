"""Shared by the tests of controllers."""

import numpy as np
import pytest

from learnrate.controllers import Observation


def _observed(losses, first=0):
    return [Observation(step=first + i, loss=loss) for i, loss in enumerate(losses)]


def _decisions(controller, observations):
    state, decisions = controller.start(), []
    for observation in observations:
        state, decision = controller.decide(state, observation)
        decisions.append(decision)
    return decisions


def _noisy(falling, noise, seed, rho=0.0):
    """A curve times 1 + noise, the noise with lag-one correlation rho."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal(len(falling))
    values = [white[0]]
    for innovation in white[1:]:
        values.append(rho * values[-1] + (1 - rho * rho) ** 0.5 * innovation)
    return (np.asarray(falling) * (1 + noise * np.array(values))).tolist()


@pytest.fixture(scope="session")
def observed():
    return _observed


@pytest.fixture(scope="session")
def decisions():
    return _decisions


@pytest.fixture(scope="session")
def noisy():
    return _noisy
