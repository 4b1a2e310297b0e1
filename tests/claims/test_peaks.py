"""Rankings, highest peaks, and the grid around the best peak of a task."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from learnrate.claims._measures import highest_below, rank_agreement
from learnrate.claims._peaks import peak_lines, sweep_peaks
from learnrate.claims._trials import ClaimTrials
from learnrate.task import Task


def test_agreement_is_spearmans_with_the_mean_of_the_other_seeds():
    random = np.random.default_rng(0)
    losses, reference = random.integers(0, 4, (6, 5)).astype(float), random.random((6, 5))
    losses[0] += 5  # no column is constant
    expected = [
        spearmanr(losses[:, seed], np.delete(reference, seed, axis=1).mean(axis=1)).statistic
        for seed in range(5)
    ]
    assert rank_agreement(losses, reference) == pytest.approx(expected)


def test_the_highest_rate_below_a_level_lies_on_the_line_to_the_first_that_is_not():
    rates = np.array([1.0, 2.0, 4.0, 8.0])
    losses = np.array([[1.0], [0.0], [1.0], [3.0]])
    assert highest_below(rates, losses, np.array([2.0])) == pytest.approx([4.0 * 2.0**0.5])
    assert highest_below(rates, losses, np.array([9.0])) == pytest.approx([8.0])


def test_a_rate_beyond_one_that_fails_does_not_count():
    losses = np.array([[0.0], [3.0], [0.5]])
    actual = highest_below(np.array([1.0, 2.0, 4.0]), losses, np.array([1.5]))
    assert actual == pytest.approx([2.0**0.5])


class Weight(nn.Module):
    """One weight that every update moves by the rate."""

    def __init__(self):
        super().__init__()
        self.moved = nn.Parameter(torch.zeros(()))


def test_the_grid_grows_until_the_best_peak_of_every_schedule_lies_inside():
    """The best weight is 32, the sum of 32 rates: at a constant 1, or at a peak of about 20."""
    task = Task(
        model=Weight,
        loss=lambda model, batch: -model.moved * batch,
        data=[torch.ones(())],
        optimizer=torch.optim.SGD,
        validate=lambda model: float(torch.log2(model.moved) - 5.0) ** 2 + 0.1,
        total_steps=32,
        name="weight",
    )
    shapes = {"short": "polynomial(power=31)", "whole": "constant()"}
    sweep = sweep_peaks(ClaimTrials((1, 2), progress=False), task, shapes)
    for name, best in (("whole", 1.0), ("short", 20.0)):
        assert 0 < sweep.row(name) < len(sweep.rates) - 1
        assert best / 1.5 < sweep.rates[sweep.row(name)] < best * 1.5
        assert sweep.losses[name].shape == (len(sweep.rates), 2)
    assert np.diff(np.log2(sweep.rates)) == pytest.approx(1.0)
    assert sweep.peak_over("short", "whole") == pytest.approx([20.0] * 2, rel=0.1)
    assert [line.label for line in peak_lines([(task, sweep)])] == ["short", "whole"]
