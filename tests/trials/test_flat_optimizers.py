"""The stacked optimizers equal torch's own."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Muon, RMSprop

from learnrate.trials._flat_optimizers import unsupported, update_rule_for

RATES = (0.003, 0.03, 0.3)
OPTIMIZERS = {
    "sgd": (SGD, {}),
    "sgd with weight decay": (SGD, {"weight_decay": 0.1}),
    "momentum": (SGD, {"momentum": 0.9}),
    "momentum, dampened": (SGD, {"momentum": 0.9, "dampening": 0.3}),
    "nesterov": (SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "maximised": (SGD, {"maximize": True, "lr": 1e-3}),
    "adam": (Adam, {}),
    "adam with weight decay": (Adam, {"weight_decay": 0.1, "betas": (0.8, 0.95)}),
    "adam, amsgrad": (Adam, {"amsgrad": True}),
    "adamw": (AdamW, {"weight_decay": 0.1}),
    "adamw, amsgrad": (AdamW, {"amsgrad": True, "eps": 1e-3}),
    "adamw, tensor rate": (AdamW, {"lr": torch.tensor(0.1)}),
    "adamw, maximised": (AdamW, {"maximize": True}),
    "rmsprop": (RMSprop, {}),
    "rmsprop, all": (RMSprop, {"centered": True, "momentum": 0.9, "weight_decay": 0.1}),
    "adagrad": (Adagrad, {}),
    "adagrad, all": (
        Adagrad,
        {"lr_decay": 0.1, "initial_accumulator_value": 0.2, "weight_decay": 0.1},
    ),
}


def gradients(values, step):
    """Of a smooth function that is neither convex nor the same at every step."""
    return torch.sin(3 * values + step) + 0.1 * values


def alone(make, settings, start, updates):
    ends = []
    for rate in RATES:
        weight = nn.Parameter(start.clone())
        optimizer = make([weight], **({"lr": 0.1} | settings))
        for step in range(updates):
            optimizer.param_groups[0]["lr"] = rate / (1 + step)
            weight.grad = gradients(weight.detach(), step)
            optimizer.step()
        ends.append(weight.detach())
    return torch.stack(ends)


def stacked(make, settings, start, updates, *, leaves_after=None):
    optimizer = make([nn.Parameter(start.clone())], **({"lr": 0.1} | settings))
    rule = update_rule_for(optimizer, optimizer.param_groups[0])
    values, rates = start.repeat(len(RATES), 1), np.array(RATES)
    for step in range(updates):
        rule.update(values, gradients(values, step), rates / (1 + step))
        if step == leaves_after:
            index = torch.tensor([0, 2])
            values, rates = values[index], rates[[0, 2]]
            rule.keep(index)
    return values


@pytest.mark.parametrize(("make", "settings"), OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_hundred_updates_equal_torchs_own(make, settings):
    start = torch.linspace(-2, 2, 40, dtype=torch.float64)
    expected = alone(make, settings, start, 100)
    actual = stacked(make, settings, start, 100)
    assert float((expected - actual).abs().max()) < 1e-6


@pytest.mark.parametrize(
    "settings",
    [{}, {"nesterov": False, "weight_decay": 0.0}, {"adjust_lr_fn": "match_rms_adamw"}],
    ids=str,
)
def test_a_hundred_updates_equal_torchs_muon_bit_for_bit(settings):
    shapes = [(4, 6), (5, 3)]
    starts = [torch.linspace(-2, 2, a * b, dtype=torch.float64).view(a, b) for a, b in shapes]

    def weights_and_optimizer():
        weights = [nn.Parameter(start.clone()) for start in starts]
        return weights, Muon(weights, lr=0.1, **settings)

    ends = []
    for rate in RATES:
        weights, optimizer = weights_and_optimizer()
        for step in range(100):
            optimizer.param_groups[0]["lr"] = rate / (1 + step)
            for weight in weights:
                weight.grad = gradients(weight.detach(), step)
            optimizer.step()
        ends.append(torch.cat([weight.detach().reshape(-1) for weight in weights]))
    _, optimizer = weights_and_optimizer()
    rule = update_rule_for(optimizer, optimizer.param_groups[0])
    assert rule.shaped
    values = torch.cat([start.reshape(-1) for start in starts]).repeat(len(RATES), 1)
    for step in range(100):
        rule.update(values, gradients(values, step), np.array(RATES) / (1 + step))
    assert torch.equal(values, torch.stack(ends))


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adams_plain_form_equals_its_fused_one(amsgrad):
    optimizer = AdamW([nn.Parameter(torch.zeros(1))], weight_decay=0.1, amsgrad=amsgrad)
    rule = update_rule_for(optimizer, optimizer.param_groups[0])
    start = torch.linspace(-2, 2, 40, dtype=torch.float64)
    values = start.repeat(len(RATES), 1)
    for step in range(100):
        rates = np.array(RATES) / (1 + step)
        rule._update_whole(values, gradients(values, step), rates)
    settings = {"weight_decay": 0.1, "amsgrad": amsgrad}
    assert torch.allclose(values, alone(AdamW, settings, start, 100), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["momentum", "adamw", "rmsprop, all", "adagrad"])
def test_the_other_trials_continue_when_one_leaves_the_stack(name):
    make, settings = OPTIMIZERS[name]
    start = torch.linspace(-2, 2, 40, dtype=torch.float64)
    actual = stacked(make, settings, start, 60, leaves_after=25)
    assert torch.allclose(actual, alone(make, settings, start, 60)[[0, 2]], rtol=0, atol=1e-9)


def test_what_has_no_stacked_form_is_named():
    class Mine(SGD):
        pass

    weight = nn.Parameter(torch.zeros(2))
    hooked = SGD([weight], lr=0.1)
    hooked.register_step_post_hook(lambda *arguments: None)
    assert "Mine, has no stacked form" in unsupported(Mine([weight], lr=0.1))
    assert "has hooks, which expect one model" in unsupported(hooked)
    assert "differentiable=True" in unsupported(Adam([weight], differentiable=True))
    assert unsupported(SGD([weight], lr=0.1)) is None
