"""Rankings, highest peaks, and the grid that is laid around what suits a task."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from learnrate.claims._bench import Bench
from learnrate.claims._measures import highest_below, rank_agreement
from learnrate.claims._peaks import at_own_best, peak_lines
from learnrate.task import Task


def test_agreement_is_spearmans_with_the_mean_of_the_other_seeds():
    random = np.random.default_rng(0)
    seen, own = random.integers(0, 4, (6, 5)).astype(float), random.random((6, 5))
    seen[0] += 5  # no column is constant
    expected = [
        spearmanr(seen[:, at], np.delete(own, at, axis=1).mean(axis=1)).statistic
        for at in range(5)
    ]
    assert rank_agreement(seen, own) == pytest.approx(expected)


def test_the_highest_rate_below_a_level_lies_on_the_line_to_the_first_that_is_not():
    rates = np.array([1.0, 2.0, 4.0, 8.0])
    losses = np.array([[1.0], [0.0], [1.0], [3.0]])
    assert highest_below(rates, losses, np.array([2.0])) == pytest.approx([4.0 * 2.0**0.5])
    assert highest_below(rates, losses, np.array([9.0])) == pytest.approx([8.0])


def test_a_rate_beyond_one_that_fails_does_not_count():
    losses = np.array([[0.0], [3.0], [0.5]])
    found = highest_below(np.array([1.0, 2.0, 4.0]), losses, np.array([1.5]))
    assert found == pytest.approx([2.0**0.5])


class Weight(nn.Module):
    """One weight that every update moves by just the rate."""

    def __init__(self):
        super().__init__()
        self.moved = nn.Parameter(torch.zeros(()))


def test_the_grid_is_widened_until_every_schedule_has_its_best_within():
    """Best is to end at 32, the sum of the rates of 32 updates: at 1 each, or at about 20."""
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
    peaks = at_own_best(Bench((1, 2), progress=False), task, shapes)
    for name, best in (("whole", 1.0), ("short", 20.0)):
        assert 0 < peaks.row(name) < len(peaks.rates) - 1
        assert best / 1.5 < peaks.rates[peaks.row(name)] < best * 1.5
        assert peaks.losses[name].shape == (len(peaks.rates), 2)
    assert np.diff(np.log2(peaks.rates)) == pytest.approx(1.0)
    assert peaks.peak_over("short", "whole") == pytest.approx([20.0] * 2, rel=0.1)
    assert [line.label for line in peak_lines([(task, peaks)])] == ["short", "whole"]
