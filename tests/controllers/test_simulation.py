"""The tests for the end of progress on a noisy quadratic, whose transient is known exactly.

d = 20, condition number 100, SGD with unit noise. The transient ends where the expected excess
loss is twice the stationary one. Figures are detection time over transient.
"""

import numpy as np
import pytest

from learnrate.controllers import LossSlope, Observation, SasaPlus

CURVATURE = np.geomspace(0.01, 1.0, 20)
START = 30.0


def transient(lr):
    """The update at which the expected excess loss is twice the stationary one."""
    stationary = lr / (CURVATURE * (2 - lr * CURVATURE))
    shrink = (1 - lr * CURVATURE) ** 2
    steps = np.arange(40_000)[:, None]
    excess = (CURVATURE * (shrink**steps * (START**2 - stationary) + stationary)).sum(1)
    return int(np.argmax(excess < 2 * (CURVATURE * stationary).sum()))


def updates(lr, seed):
    rng = np.random.default_rng(seed)
    x, step = np.full(20, START), 0
    while True:
        loss = 0.5 * float(CURVATURE @ (x * x))
        d = CURVATURE * x + rng.standard_normal(20)
        x = x - lr * d
        signals = {"inner": float(x @ d), "squared": float(d @ d), "lr": lr}
        yield Observation(step=step, loss=loss, signals=signals)
        step += 1


def detected(controllers, lr, seed, limit):
    """The first change of each controller on one run, in transients; infinite past the limit."""
    length = transient(lr)
    states = {name: controller.start() for name, controller in controllers.items()}
    detections = {}
    for observation in updates(lr, seed):
        for name in controllers.keys() - detections.keys():
            states[name], decision = controllers[name].decide(states[name], observation)
            if decision.changed:
                detections[name] = (observation.step + 1) / length
        if len(detections) == len(controllers) or observation.step > limit * length:
            return {name: detections.get(name, np.inf) for name in controllers}
    raise AssertionError


@pytest.mark.parametrize(
    ("lr", "seeds", "sasa", "slope"),
    # Measured medians: 3.7 and 3.1 (the floor of 500 samples), 2.1 and 2.0, 2.2 and 2.5.
    [
        (0.5, 5, (3.0, 6.0), (3.0, 5.0)),
        (0.1, 5, (1.2, 3.2), (1.2, 3.5)),
        (0.02, 3, (1.2, 3.5), (1.2, 3.5)),
    ],
)
def test_sasa_and_the_slope_detect_the_end_of_the_transient(lr, seeds, sasa, slope):
    options = {"min_samples": 250, "test_every": 50}
    controllers = {"sasa": SasaPlus(**options), "slope": LossSlope(**options)}
    limit = 12 if lr > 0.3 else 5
    runs = [detected(controllers, lr, seed, limit) for seed in range(seeds)]
    assert sasa[0] <= np.median([run["sasa"] for run in runs]) <= sasa[1]
    assert slope[0] <= np.median([run["slope"] for run in runs]) <= slope[1]
    assert min(value for run in runs for value in run.values()) >= 1.0  # none too early


def test_the_transients_have_the_lengths_that_the_figures_refer_to():
    assert [transient(lr) for lr in (0.5, 0.1, 0.02)] == [162, 1431, 10_586]
