"""A small task and trials of it, which the tests of every engine train."""

import numpy as np
import pytest
import torch
from torch import nn

from learnrate import Task, schedule
from learnrate.trials import Trial, preserved

X = torch.randn(48, 6, generator=torch.Generator().manual_seed(1))
Y = (X.sum(1) > 0).long()
BATCHES = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 48, 8)]
RATES = (0.001, 0.01, 0.1)
SHAPE = schedule("warmup(10%) >> linear()")


def dense():
    return nn.Sequential(nn.Linear(6, 7), nn.Tanh(), nn.Linear(7, 2))


def make_task(**changes):
    """Its validation is local, which plain pickle refuses."""
    settings = {
        "model": dense,
        "loss": nn.CrossEntropyLoss(),
        "data": BATCHES,
        "validate": lambda model: float(nn.functional.cross_entropy(model(X), Y)),
    }
    return Task(**(settings | changes))


def make_trials(rates=RATES, seeds=(0, 5), steps=25):
    return [Trial((rate * SHAPE).over(steps), seed) for seed in seeds for rate in rates]


def run_all(task, engine, trials):
    """The curve of each trial."""
    with preserved(task):
        return dict(engine.run(task, trials))


def assert_alike(actual, expected):
    assert actual.keys() == expected.keys()
    for trial, curve in expected.items():
        assert actual[trial].error == ""
        assert actual[trial].status is curve.status
        assert np.allclose(actual[trial].loss, curve.loss, rtol=1e-4, equal_nan=True)
        assert actual[trial].final == pytest.approx(curve.final, rel=1e-4)
