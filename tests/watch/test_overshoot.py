"""First updates that overshoot, in small trainings and in the smallest series."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from learnrate.watch import Observations, Watcher, diagnose

ROWS = 60


def trained(rate, *, optimizer=torch.optim.Adam, batch=32, seed=0, start=1.0):
    """Losses and gradient norms of a small network that fits a function."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(10, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Linear(64, 1)
    )
    for weight in model.parameters():
        weight.data *= start
    updates = optimizer(model.parameters(), lr=rate)
    columns = {"loss": [], "gradient_norm": []}
    for _ in range(200):
        inputs = torch.randn(batch, 10)
        loss = functional.mse_loss(model(inputs)[:, 0], inputs[:, :3].prod(1) + inputs[:, 4])
        updates.zero_grad()
        loss.backward()
        columns["loss"].append(loss.item())
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in model.parameters()])
        columns["gradient_norm"].append(norm.item())
        updates.step()
    return columns


def observed(loss, gradient_norm, every=1, **facts):
    columns = {"loss": np.asarray(loss), "gradient_norm": np.asarray(gradient_norm)}
    steps = every * np.arange(len(columns["loss"]))
    return Observations(run="a", step=steps, columns=columns, total_steps=200, facts=facts)


def codes(*columns, **known):
    return diagnose(observed(*columns, **known), only=["LR109"]).codes()


@pytest.mark.parametrize(("rate", "expected"), [(3e-3, []), (0.5, ["LR109"])])
def test_a_training_at_too_high_a_rate(rate, expected):
    assert codes(*trained(rate).values()) == expected


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "options",
    [
        {"rate": 3e-3, "batch": 1},
        {"rate": 3e-3, "batch": 2},
        {"rate": 0.02, "batch": 1, "optimizer": torch.optim.SGD},
        {"rate": 3e-3, "start": 0.03},
        {"rate": 0.1, "start": 0.1, "optimizer": torch.optim.SGD},
    ],
    ids=["single examples", "two examples", "by SGD", "small weights", "small weights by SGD"],
)
def test_good_rates_are_silent(options, seed):
    assert codes(*trained(**options, seed=seed).values()) == []


def burst(*, height=40.0, growth=100.0, rows=10):
    """A loss near 1 that rises for some rows after the first, and a gradient that grows with it."""
    noise = np.random.default_rng(0).standard_normal((2, ROWS))
    loss, norm = 1.0 + 0.01 * noise[0], np.exp(0.02 * noise[1])
    course = np.exp(-np.arange(rows) / 10)
    loss[1 : 1 + rows] += height * course
    norm[1 : 1 + rows] *= growth * course
    return loss, norm


def test_a_loss_times_a_factor_plus_a_number_has_the_same_finding():
    loss, norm = burst()
    (finding,) = diagnose(observed(loss, norm), only=["LR109"]).findings
    assert finding.step == 1
    assert 50 < finding.evidence["growth"] < 100
    assert codes(-1000 + 0.01 * loss, 0.01 * norm) == ["LR109"]


@pytest.mark.parametrize(
    "changed",
    [{"growth": 25.0}, {"height": -40.0}, {"rows": 2}],
    ids=["a smaller growth", "a loss that falls", "two hard batches"],
)
def test_a_smaller_growth_is_not_an_overshoot(changed):
    assert codes(*burst()) == ["LR109"]
    assert codes(*burst(**changed)) == []


def test_a_gradient_that_grows_while_the_loss_only_varies_is_not_an_overshoot():
    loss, norm = burst(height=0.0)
    loss[0] -= 1.0
    assert codes(loss, norm) == []


def test_later_bursts_rows_that_are_thinned_and_other_objectives_are_not_judged():
    loss, norm = burst()
    assert codes(np.roll(loss, 25), np.roll(norm, 25)) == []
    assert codes(loss, norm, every=2) == []
    assert codes(loss, norm, objective="adversarial") == []


def test_norms_that_are_not_finite_count_as_the_largest():
    loss, norm = burst()
    norm[2:5] = loss[2:5] = np.inf
    (finding,) = diagnose(observed(loss, norm), only=["LR109"]).findings
    assert "overflows" in finding.message


def test_a_watcher_reports_an_overshoot_within_its_first_rows():
    watcher = Watcher("a", total_steps=1000, only=["LR109"])
    rows = []
    for row, (loss, norm) in enumerate(zip(*burst(), strict=True)):
        columns = {"loss": [loss], "gradient_norm": [norm]}
        rows += [row for _ in watcher.feed([row], columns)]
    assert len(rows) == 1
    assert rows[0] < 10
