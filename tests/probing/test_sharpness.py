import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import floats, integers
from torch import nn
from torch.func import functional_call, grad, jacrev

from learnrate import ArgumentError
from learnrate._errors import TaskError
from learnrate.probing import sharpness
from learnrate.probing._lanczos import largest_eigenpair


class Point(nn.Module):
    def __init__(self, start):
        super().__init__()
        self.place = nn.Parameter(torch.as_tensor(start))


def bowl(model, curvatures):
    return 0.5 * (curvatures * model.place.square()).sum()


def tiny():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    x = torch.randn(20, 3, dtype=torch.float64)
    return model, (x, x.prod(1, keepdim=True))


def loss_of(model, batch):
    return nn.functional.mse_loss(model(batch[0]), batch[1])


def full_hessian(model, batch):
    names = [name for name, _ in model.named_parameters()]
    sizes = [parameter.shape for parameter in model.parameters()]
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()])

    def of(vector):
        parts = vector.split([math.prod(parameter) for parameter in sizes])
        weights = {n: p.view(s) for n, p, s in zip(names, parts, sizes, strict=True)}
        return nn.functional.mse_loss(functional_call(model, weights, batch[0]), batch[1])

    return jacrev(grad(of))(flat)


def test_the_sharpness_is_the_largest_eigenvalue_of_the_full_hessian():
    model, batch = tiny()
    exact = float(torch.linalg.eigvalsh(full_hessian(model, batch))[-1])
    result = sharpness(model, loss_of, batch, tolerance=1e-5, products=200)
    assert result.converged
    assert result.eigenvalue == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_with_an_adaptive_optimizer_the_sharpness_is_that_of_the_preconditioned_hessian(kind):
    model, batch = tiny()
    optimizer = kind(model.parameters(), lr=0.01, eps=1e-4, weight_decay=0.02)
    for _ in range(7):
        optimizer.zero_grad()
        loss_of(model, batch).backward()
        optimizer.step()
    state = [optimizer.state[parameter_state] for parameter_state in model.parameters()]
    if kind is torch.optim.RMSprop:
        scale = torch.cat(
            [parameter_state["square_avg"].sqrt().reshape(-1) + 1e-4 for parameter_state in state]
        )
    else:
        root = torch.cat(
            [parameter_state["exp_avg_sq"].reshape(-1) for parameter_state in state]
        ) / (1 - 0.999**7)
        scale = (1 - 0.9**7) * (root.sqrt() + 1e-4)
    curved = full_hessian(model, batch)
    if kind is not torch.optim.AdamW:
        curved += 0.02 * torch.eye(len(curved))
    exact = float(torch.linalg.eigvals(curved / scale[:, None]).real.max())
    result = sharpness(model, loss_of, batch, optimizer, tolerance=1e-5, products=300)
    assert result.preconditioned
    assert result.eigenvalue == pytest.approx(exact, rel=1e-6)


def spectral_radius(optimizer, curvature):
    """By what factor the optimizer's own updates grow on a bowl, once its state is settled."""
    weight = next(iter(optimizer.param_groups[0]["params"]))
    for _ in range(3000):
        weight.grad = curvature * weight.detach()
        optimizer.step()
        size = float(weight.detach().abs().max())
        if size > 1e6 or size < 1e-9:
            break
    return size


SGDS = [
    {"momentum": 0.0},
    {"momentum": 0.9},
    {"momentum": 0.5, "dampening": 0.3},
    {"momentum": 0.8, "nesterov": True},
    {"momentum": 0.0, "weight_decay": 0.5},
]


@pytest.mark.parametrize("options", SGDS)
def test_just_below_the_edge_training_converges_and_just_above_it_diverges(options):
    curvatures = torch.tensor([1.0, 4.0], dtype=torch.float64)
    edge = None
    for nudge in (None, 0.98, 1.02):
        model = Point(torch.ones(2, dtype=torch.float64))
        lr = 0.1 if edge is None else nudge * edge
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, **options)
        result = sharpness(model, bowl, curvatures, optimizer, tolerance=1e-6)
        if edge is None:
            edge = result.edge_lr
            continue
        assert result.ratio == pytest.approx(nudge, rel=1e-5)
        assert (spectral_radius(optimizer, curvatures) > 1.0) == (nudge > 1)


def test_the_limit_of_averaged_momentum_is_that_of_its_recursion():
    beta, limit = 0.9, 38.0  # m' = b m + (1 - b) h w, w' = w - lr m', as Adam's with P = 1
    for nudge in (0.99, 1.01):
        x = nudge * limit  # lr times h
        step = np.array([[1 - x * (1 - beta), -beta], [x * (1 - beta), beta]])
        assert (max(abs(np.linalg.eigvals(step))) > 1) == (nudge > 1)
    model = Point(torch.ones(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model.place.grad = torch.ones(2)
    optimizer.step()
    result = sharpness(model, bowl, torch.tensor([1.0, 4.0]), optimizer)
    assert result.limit == pytest.approx(limit)


def test_groups_count_by_their_share_of_the_highest_rate():
    model = nn.Module()
    model.fast = nn.Parameter(torch.ones(1))
    model.slow = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD(
        [{"params": [model.fast], "lr": 0.1}, {"params": [model.slow], "lr": 0.02}]
    )
    result = sharpness(model, lambda m, _: (2 * m.fast**2 + 6 * m.slow**2).sum(), None, optimizer)
    assert result.eigenvalue == pytest.approx(4.0, rel=1e-3)  # 4 at 0.1, 12 at a fifth of that
    assert result.lr == 0.1


def test_a_warm_start_needs_few_products():
    model, batch = tiny()
    first = sharpness(model, loss_of, batch, tolerance=1e-3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.001)
    again = sharpness(model, loss_of, batch, tolerance=1e-2, start=first)
    assert again.products <= 3
    assert again.cost == 1 + 2 * again.products


@settings(max_examples=40, deadline=None)
@given(size=integers(2, 40), seed=integers(0, 999), shift=floats(-3, 3))
def test_lanczos_agrees_with_the_dense_solver_negative_eigenvalues_or_not(size, seed, shift):
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(size, size))
    matrix = matrix + matrix.T + shift * np.eye(size)
    dense = torch.tensor(matrix)
    eigenpair = largest_eigenpair(
        lambda v: dense @ v,
        torch.tensor(random.normal(size=size)),
        tolerance=1e-7,
        products=2000,
        memory=8,
    )
    exact = np.linalg.eigvalsh(matrix)
    assert eigenpair.value == pytest.approx(exact[-1], abs=1e-5 * np.abs(exact).max())
    assert float(
        torch.linalg.vector_norm(dense @ eigenpair.vector - eigenpair.value * eigenpair.vector)
    ) == (pytest.approx(eigenpair.error, abs=1e-6 * np.abs(exact).max()))


def test_attention_can_be_measured():
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = torch.randn(2, 5, 8)
    result = sharpness(model, lambda m, b: m(b).square().mean(), x, products=5)
    assert math.isfinite(result.eigenvalue)


def test_the_text_follows_the_ratio_and_has_the_caveat():
    words = []
    for lr in (0.01, 0.4, 0.6):
        model = Point(torch.ones(2))
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        words.append(sharpness(model, bowl, torch.tensor([1.0, 4.0]), optimizer).words)
    assert "room to raise" in words[0]
    assert "do not raise it for this reason alone" in words[0]
    assert "normal range" in words[1]
    assert "beyond the edge" in words[2]


def test_an_optimizer_whose_limit_is_not_known_is_reported():
    model = Point(torch.ones(2))
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
    result = sharpness(model, bowl, torch.tensor([1.0, 4.0]), optimizer)
    assert (result.ratio, result.edge_lr) == (None, None)
    assert "not known" in result.words
    assert "vector" not in result.to_dict()
    assert '"ratio": null' in result.to_json()


def test_what_cannot_be_measured_is_refused_in_a_sentence():
    model = Point(torch.ones(2))
    bent = torch.tensor([1.0, 4.0])
    with pytest.raises(ArgumentError, match="Measure after an update"):
        sharpness(model, bowl, bent, torch.optim.Adam(model.parameters()))
    with pytest.raises(ArgumentError, match="start"):
        sharpness(model, bowl, bent, start=torch.zeros(2))
    with pytest.raises(TaskError, match="must be finite"):
        sharpness(model, bowl, bent * math.inf)
    with pytest.raises(TaskError, match="one number"):
        sharpness(model, lambda m, b: m.place * b, bent)
    with pytest.raises(ArgumentError, match=r"must be a torch\.nn\.Module; got a str"):
        sharpness("model", bowl, bent)
