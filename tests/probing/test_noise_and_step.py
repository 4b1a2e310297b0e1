import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.strategies import floats, integers
from torch import nn

from learnrate import ArgumentError
from learnrate.probing import noise_scale, normalised_step, pooled
from learnrate.probing._normalised_step import parabola
from learnrate.scaling import noise_scale_batch

CURVATURES = torch.tensor([0.1, 0.5, 2.0, 4.0], dtype=torch.float64)
START = torch.tensor([3.0, -2.0, 1.0, 0.5], dtype=torch.float64)
SPREAD = torch.tensor([2.0, 1.0, 1.0, 0.5], dtype=torch.float64)


class Place(nn.Module):
    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(START.clone())


def loss_of(model, batch):
    """The mean over examples z of 1/2 (w - z)' H (w - z): gradients H (w - z)."""
    return (0.5 * CURVATURES * (model.place - batch).square()).sum(1).mean()


def drawn(batches, size, seed):
    generator = torch.Generator().manual_seed(seed)
    return list(SPREAD * torch.randn(batches, size, 4, generator=generator, dtype=torch.float64))


def truth():
    gradient = CURVATURES * START
    trace = (CURVATURES * SPREAD).square().sum()
    curved = (CURVATURES**3 * SPREAD**2).sum() / (CURVATURES * gradient**2).sum()
    return (
        float(gradient @ gradient),
        float(trace),
        float(curved),
        float(gradient @ gradient / (CURVATURES * gradient**2).sum()),
    )


def test_the_noise_scale_of_a_known_quadratic_is_the_known_one():
    squared, trace, curved, lr_max = truth()
    scale = pooled([noise_scale(Place(), loss_of, drawn(8, 4, seed)) for seed in range(300)])
    assert scale.squared == pytest.approx(squared, rel=0.03)
    assert scale.trace == pytest.approx(trace, rel=0.06)
    assert scale.noise == pytest.approx(trace / squared, rel=0.06)
    whole = noise_scale(Place(), loss_of, drawn(100, 32, 1), curvature=True)
    assert whole.curved_noise == pytest.approx(curved, rel=0.1)
    assert whole.lr_max == pytest.approx(lr_max, rel=0.05)


def test_the_jackknifes_error_is_the_spread_between_measurements():
    scales = [noise_scale(Place(), loss_of, drawn(40, 4, seed)) for seed in range(80)]
    spread = float(np.std([math.log(scale.noise) for scale in scales]))
    median_error = float(np.median([scale.error for scale in scales]))
    assert 0.7 < median_error / spread < 1.4


@pytest.mark.parametrize("batch", [1, 4, 64, 1024])
def test_the_best_rate_of_one_step_is_that_of_a_grid(batch):
    scale = noise_scale(Place(), loss_of, drawn(300, 16, 5), curvature=True)
    gradient = CURVATURES * START
    cross = (CURVATURES * gradient**2).sum() + (CURVATURES**3 * SPREAD**2).sum() / batch
    grid = torch.logspace(-3, 1, 4001, dtype=torch.float64)
    after = -grid * (gradient @ gradient) + 0.5 * grid**2 * cross
    assert scale.lr(batch) == pytest.approx(float(grid[after.argmin()]), rel=0.1)


def test_the_noise_scale_is_that_of_the_two_batch_formula():
    batches = drawn(6, 5, 2)
    scale = noise_scale(Place(), loss_of, batches)
    rows = torch.stack([CURVATURES * (START - batch.mean(0)) for batch in batches])
    small, big = float(rows.square().sum(1).mean()), float(rows.mean(0).square().sum())
    squared = (30 * big - 5 * small) / (30 - 5)
    trace = (small - big) / (1 / 5 - 1 / 30)
    assert scale.squared == pytest.approx(squared, rel=1e-12)
    assert scale.trace == pytest.approx(trace, rel=1e-12)
    assert scale.norm_test == pytest.approx(math.sqrt(trace / squared / 5))


def test_the_factor_for_another_batch_follows_the_law():
    scale = noise_scale(Place(), loss_of, drawn(50, 4, 3))
    law = noise_scale_batch
    expected = law(1.0, batch=8, noise_scale=scale.noise) / law(
        1.0, batch=4, noise_scale=scale.noise
    )
    assert scale.factor(8) == expected
    assert scale.factor(4) == scale.factor(4, adam=True) == 1.0


def test_at_the_minimum_nothing_but_noise_is_left():
    model, scores = Place(), []
    with torch.no_grad():
        model.place.zero_()
    for seed in range(200):
        scale = noise_scale(model, loss_of, drawn(8, 4, seed))
        scores.append(scale.noise_only)
    assert np.mean(scores) == pytest.approx(0.0, abs=0.15)
    assert noise_scale(Place(), loss_of, drawn(8, 64, 0)).noise_only < -5
    lost = next(score for score in scores if score > 0)
    assert lost > 0


def test_a_gradient_lost_in_noise_is_reported():
    batches = [torch.full((2, 4), sign, dtype=torch.float64) for sign in (1.0, -1.0)]
    model = Place()
    with torch.no_grad():
        model.place.zero_()
    scale = noise_scale(model, loss_of, batches)
    assert scale.noise == math.inf
    assert "lost in its noise" in scale.words
    assert scale.to_dict()["noise"] is None
    with pytest.raises(ArgumentError, match="lost in the noise"):
        scale.factor(8)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ArgumentError, match="at least 2"):
        noise_scale(Place(), loss_of, drawn(1, 4, 0))
    with pytest.raises(ArgumentError, match="one size"):
        noise_scale(Place(), loss_of, [*drawn(2, 4, 0), *drawn(1, 3, 0)])
    with pytest.raises(ArgumentError, match="batch_size"):
        noise_scale(Place(), lambda m, b: m.place.sum(), [1, 2])


@given(floats(0.1, 10), floats(0.01, 5), floats(-5, 5))
def test_the_normalised_step_on_a_parabola_is_exact(curvature, step, lowest):
    """f(s) = lowest + c (s - 1)^2 from s = 0 with a step of length `step`: the minimum is at 1."""
    before, after = lowest + curvature, lowest + curvature * (step - 1) ** 2
    value = parabola(before, after, -2 * curvature * step, 2 * curvature * (step - 1) * step)
    assert value == pytest.approx(step * 2 / 2 - 1, rel=1e-5, abs=1e-6)


@given(integers(0, 500))
def test_the_normalised_step_is_that_of_the_least_squares_fit(seed):
    before, after, slope_from, slope_to = np.random.default_rng(seed).normal(size=4)
    design = np.array([[1, 0, 0], [1, 1, 1], [0, 1, 0], [0, 1, 2]])
    _, slope, curve = np.linalg.lstsq(
        design, np.array([before, after, slope_from, slope_to]), rcond=None
    )[0]
    expected = -1.0 if curve < 0 else 2 / (-slope / curve) - 1
    assert parabola(before, after, slope_from, slope_to) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("lr", "expected"), [(1e-6, -1.0), (0.25, 0.0), (0.5, 1.0), (0.75, 2.0)])
def test_a_step_is_measured_in_units_of_its_line(lr, expected):
    model = Place()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    step = normalised_step(model, optimizer, lambda m, b: 2 * m.place.square().sum(), [0, 0, 0])
    assert step.median == pytest.approx(expected, abs=1e-4)
    assert step.cost == 6


def test_the_step_is_that_of_the_optimizer_with_its_momentum_and_clipping():
    model = Place()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
    size = float(4 * START.norm())
    step = normalised_step(
        model, optimizer, lambda m, b: 2 * m.place.square().sum(), [0], clip_norm=0.6 * size
    )
    assert step.median == pytest.approx(-0.4, abs=1e-4)  # six tenths of the way
    assert "end near the minimum" in step.words
