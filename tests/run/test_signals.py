"""measured_step: the numbers SASA+ rests on, from real optimizers."""

import pytest
import torch

from learnrate import ArgumentError
from learnrate.run import measured_step

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
}


def parameters():
    generator = torch.Generator().manual_seed(0)
    return [
        torch.nn.Parameter(torch.randn(size, generator=generator, dtype=torch.float64))
        for size in ((3, 4), (5,), ())
    ]


def flat(tensors):
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).clone()


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_the_delta_is_the_fall_of_the_squared_norm(make):
    weights = parameters()
    optimizer = make(weights)
    for _ in range(3):
        before = flat(weights)
        sum((weight**2).sum() for weight in weights).backward()
        with measured_step(optimizer) as signals:
            optimizer.step()
        after, lr = flat(weights), optimizer.param_groups[0]["lr"]
        d = (before - after) / lr
        assert signals["lr"] == lr
        assert signals["inner"] == pytest.approx(float(after @ d), rel=1e-12)
        assert signals["squared"] == pytest.approx(float(d @ d), rel=1e-12)
        delta = signals["inner"] + lr / 2 * signals["squared"]
        fall = float(before @ before - after @ after) / (2 * lr)
        assert delta == pytest.approx(fall, rel=1e-9)


def test_groups_are_measured_by_their_highest_rate():
    weights = parameters()
    groups = [{"params": weights[:1], "lr": 0.1}, {"params": weights[1:], "lr": 0.01}]
    optimizer = torch.optim.SGD(groups)
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    with measured_step(optimizer) as signals:
        optimizer.step()
    assert signals["lr"] == 0.1
    assert signals["squared"] == pytest.approx(12 + 6 * 0.1**2)


def test_measuring_does_not_change_the_update():
    plain, measured = parameters(), parameters()
    for weights in (plain, measured):
        optimizer = torch.optim.SGD(weights, lr=0.1)
        for weight in weights:
            weight.grad = torch.ones_like(weight)
        if weights is plain:
            optimizer.step()
        else:
            with measured_step(optimizer):
                optimizer.step()
    assert torch.equal(flat(plain), flat(measured))


def test_frozen_parameters_do_not_count():
    weights = parameters()
    weights[0].requires_grad_(False)
    optimizer = torch.optim.SGD(weights, lr=0.1)
    for weight in weights[1:]:
        weight.grad = torch.ones_like(weight)
    with measured_step(optimizer) as signals:
        optimizer.step()
    assert signals["squared"] == pytest.approx(6.0)


def test_without_a_rate_there_is_nothing_to_measure_by():
    optimizer = torch.optim.SGD(parameters(), lr=0.0)
    with (
        pytest.raises(ArgumentError, match=r"needs a rate above 0; the highest is 0\.0"),
        measured_step(optimizer),
    ):
        raise AssertionError


def test_an_error_in_the_step_is_the_callers():
    with (
        pytest.raises(RuntimeError, match="theirs"),
        measured_step(torch.optim.SGD(parameters(), lr=0.1)),
    ):
        raise RuntimeError("theirs")
