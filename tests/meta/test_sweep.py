"""The sweep over both rates, and what `advise` measures before it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from learnrate import ArgumentError
from learnrate.meta import (
    FewShot,
    Learned,
    MetaTask,
    MixedRegression,
    Sinusoids,
    advise,
    sweep,
    train,
)

TASK = MetaTask(
    model=lambda: nn.Sequential(nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 1)),
    loss=nn.MSELoss(),
    episodes=Sinusoids(shots=5, queries=5),
    batch=4,
    total_steps=12,
    test_count=10,
)
INNER, ADAPT = [-0.02, 0.0, 0.02], [0.0, 0.01]


def test_a_trial_in_a_stack_equals_the_training_alone():
    result = sweep(TASK, INNER, ADAPT, seeds=2)
    for inner, rate in enumerate(INNER):
        for adapt, other in enumerate(ADAPT):
            alone = train(TASK, inner_lr=rate, adapt_lr=other, seed=0)
            assert result.losses[inner, adapt, 0] == pytest.approx(alone.loss, rel=1e-4)
    assert not np.allclose(result.losses[..., 0], result.losses[..., 1])


def test_an_optimizer_that_mixes_numbers_runs_trials_one_by_one():
    class Whole(torch.optim.SGD):
        """Scales its update by the norm of everything it is given."""

        def step(self, closure=None):
            parameters = [
                parameter for group in self.param_groups for parameter in group["params"]
            ]
            norm = torch.sqrt(sum(parameter.grad.square().sum() for parameter in parameters))
            for parameter in parameters:
                parameter.grad /= norm
            return super().step(closure)

    task = replace(TASK, optimizer=lambda tensors: Whole(tensors, lr=1e-2))
    result = sweep(task, INNER, [0.01], seeds=1)
    alone = train(task, inner_lr=0.02, adapt_lr=0.01)
    assert result.losses[2, 0, 0] == pytest.approx(alone.loss, rel=1e-4)


def test_run_again_in_the_same_folder_it_resumes(tmp_path):
    first = sweep(TASK, INNER, ADAPT, seeds=1, out=tmp_path)
    more = sweep(TASK, [-0.02, 0.0, 0.01, 0.02], ADAPT, seeds=1, out=tmp_path)
    other = sweep(replace(TASK, batch=5), INNER, ADAPT, seeds=1, out=tmp_path)
    assert (first.resumed, more.resumed, other.resumed) == (0, 3, 0)
    assert np.array_equal(more.losses[[0, 1, 3]], first.losses)


def test_a_rate_that_diverges_is_infinite_and_named_and_the_others_are_not_touched():
    result = sweep(TASK, [0.0, 1e30], ADAPT, seeds=1)
    alone = sweep(TASK, [0.0], ADAPT, seeds=1)
    assert np.isinf(result.losses[1]).all()
    np.testing.assert_allclose(result.losses[0], alone.losses[0], rtol=1e-4)
    assert result.failures[0].startswith("inner_lr 1e+30, seed 0: at meta-update 0 the loss of")
    assert result.to_dict()["rows"][-1]["loss"] is None


def test_in_noisy_isotropic_regression_the_sweep_finds_a_negative_optimum():
    """Few fixed tasks, more weights than points: the theory's setting, by gradient descent."""
    family = MixedRegression(dim=60, shots=30, queries=2, sigma=1.0, nu=0.5)

    class Few:
        """The same three tasks at every update, as the theory meta-trains; others for testing."""

        def draw(self, count, seed):
            return family.draw(count, seed) if count > 3 else family.draw(count, self.seed)

    losses = []
    for seed in range(8):
        few = Few()
        few.seed = 100 + seed
        task = MetaTask(
            model=zero_weights,
            loss=half_squared,
            episodes=few,
            test=MixedRegression(dim=60, shots=20, queries=50, sigma=1.0, nu=0.5),
            optimizer=lambda tensors: torch.optim.SGD(tensors, lr=0.01),
            batch=3,
            total_steps=80,
            test_count=100,
        )
        losses.append(sweep(task, [-1.0, 0.5], [0.2], seeds=1, seed=seed).losses[:, 0, 0])
    negative, positive = np.mean(losses, axis=0)
    assert negative < positive - 0.02


def zero_weights():
    model = nn.Linear(60, 1, bias=False)
    nn.init.zeros_(model.weight)
    return model


def half_squared(model, batch):
    return 0.5 * (model(batch[0]) - batch[1]).square().mean()


def test_the_map_marks_the_optimum_and_titles_its_intervals():
    result = sweep(TASK, INNER, ADAPT, seeds=2)
    axes = result.plot()
    assert f"Best inner_lr {result.best.inner_lr.best:.2g}" in axes.get_title(loc="left")
    assert result.best.inner_lr.low < result.best.inner_lr.best < result.best.inner_lr.high


def test_a_task_that_learns_its_rates_cannot_be_swept():
    with pytest.raises(ArgumentError, match="this task learns it"):
        sweep(replace(TASK, inner_lr=Learned()), INNER, ADAPT)


@pytest.mark.parametrize("rates", [[], [0.1, 0.0], [float("nan")], "fast"], ids=str)
def test_rates_that_do_not_increase_are_refused(rates):
    with pytest.raises(ArgumentError, match="increasing finite rates"):
        sweep(TASK, rates, ADAPT)


def regression(**changed):
    source = MixedRegression(dim=20, shots=20, queries=20, **changed)
    return MetaTask(model=lambda: nn.Linear(20, 1), loss=nn.MSELoss(), episodes=source)


def test_advice_distinguishes_noise_from_diversity():
    noisy = advise(regression(sigma=3.0, nu=0.1), probe=0)
    diverse = advise(regression(sigma=0.0, nu=30.0), probe=0)
    assert noisy.regime.name == "NOISE"
    assert diverse.regime.name == "DIVERSE"
    assert noisy.share < 0.05
    assert diverse.share > 0.4


def test_where_classes_are_numbered_anew_the_probe_corrects_the_share():
    """One example a class, all noise to the share; nothing can be learnt without an inner step."""
    corners = 3 * torch.eye(8).repeat_interleave(40, 0)
    generator = torch.Generator().manual_seed(0)
    points = corners + torch.randn(320, 8, generator=generator)
    source = FewShot(points, np.repeat(np.arange(8), 40), ways=4, shots=1, queries=5)
    task = MetaTask(
        model=lambda: nn.Linear(8, 4), loss=nn.CrossEntropyLoss(), episodes=source, batch=4,
        optimizer=lambda tensors: torch.optim.Adam(tensors, lr=1e-2),
    )  # fmt: skip
    assert advise(task, probe=60).regime.name == "DIVERSE"


def test_the_measurement_of_advice_equals_its_closed_form():
    """At weights 0 a gradient is -2 S w - noise: diversity 4 nu^2, noise by Wishart moments."""
    p, n, sigma, nu = 10, 40, 1.0, 1.0
    source = MixedRegression(dim=p, shots=n, queries=n, sigma=sigma, nu=nu)

    def model():
        result = nn.Linear(p, 1, bias=False)
        nn.init.zeros_(result.weight)
        return result

    advice = advise(
        MetaTask(model=model, loss=nn.MSELoss(), episodes=source), episodes=4000, probe=0
    )
    assert advice.diversity == pytest.approx(4 * nu**2, rel=0.1)
    assert advice.noise == pytest.approx(4 * (nu**2 * (p + 1) / n + sigma**2 * p / n), rel=0.1)
