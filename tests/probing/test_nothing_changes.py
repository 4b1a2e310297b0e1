"""A probed training is, to the bit, the training that was never probed."""

import copy

import pytest
import torch
from torch import nn

from learnrate.probing import noise_scale, normalised_step, sharpness, what_if


def make(optimizer):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)
    )
    return model, optimizer(model.parameters())


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
    "tensor lr": lambda p: torch.optim.Adam(p, lr=torch.tensor(0.01), foreach=False),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True, momentum=0.5),
}
X = torch.randn(12, 16, 4, generator=torch.Generator().manual_seed(3))
BATCHES = [(x, x.sum(1, keepdim=True)) for x in X]


def loss_of(model, batch):
    return nn.functional.mse_loss(model(batch[0]), batch[1])


def updates(model, optimizer, steps):
    for step in range(steps):
        optimizer.zero_grad()
        loss_of(model, BATCHES[step % len(BATCHES)]).backward()
        optimizer.step()


def bits(model, optimizer):
    tensors = [*model.parameters(), *model.buffers()]
    tensors += [parameter.grad for parameter in model.parameters()]
    state = optimizer.state_dict()
    tensors += [
        value for parameter_state in state["state"].values() for value in parameter_state.values()
    ]
    tensors += [torch.as_tensor(group["lr"]) for group in state["param_groups"]]
    tensors += [
        torch.get_rng_state(),
        torch.tensor([parameter.training for parameter in model.modules()]),
    ]
    return [parameter.detach().clone() for parameter in tensors if parameter is not None]


def same(first, second):
    return len(first) == len(second) and all(
        torch.equal(a, b) for a, b in zip(first, second, strict=True)
    )


PROBES = {
    "what_if": lambda m, o, f: what_if(m, o, f, BATCHES, steps=3),
    "sharpness": lambda m, o, f: sharpness(m, f, BATCHES[0], o),
    "noise_scale": lambda m, o, f: noise_scale(m, f, BATCHES, curvature=True),
    "normalised_step": lambda m, o, f: normalised_step(m, o, f, BATCHES[:3], clip_norm=1.0),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("probe", PROBES)
def test_a_probed_training_continues_to_the_same_bits(probe, optimizer):
    ends = []
    for probed in (False, True):
        model, trained = make(OPTIMIZERS[optimizer])
        updates(model, trained, 5)
        if probed:
            before = bits(model, trained)
            PROBES[probe](model, trained, loss_of)
            assert same(before, bits(model, trained))
        updates(model, trained, 5)
        ends.append(bits(model, trained))
    assert same(*ends)


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_changes_when_a_probe_breaks_off(probe, error):
    model, optimizer = make(OPTIMIZERS["adamw"])
    updates(model, optimizer, 5)
    before, calls = bits(model, optimizer), []

    def breaking(model, batch):
        calls.append(1)
        if len(calls) == 5 or (probe == "sharpness" and len(calls) == 1):
            model.eval()
            torch.rand(3)
            raise error
        return loss_of(model, batch)

    with pytest.raises(error):
        PROBES[probe](model, optimizer, breaking)
    assert same(before, bits(model, optimizer))


def test_tensors_stay_the_same_tensors():
    model, optimizer = make(OPTIMIZERS["adamw"])
    updates(model, optimizer, 2)

    def places():
        grads = [tensor.grad for tensor in model.parameters()]
        state = [value for state in optimizer.state.values() for value in state.values()]
        return [tensor.data_ptr() for tensor in [*grads, *state]]

    before = places()
    what_if(model, optimizer, loss_of, BATCHES, steps=2)
    assert before == places()


def test_an_optimizer_that_never_updated_has_no_state_afterwards():
    model, optimizer = make(OPTIMIZERS["adamw"])
    what_if(model, optimizer, loss_of, BATCHES, steps=2)
    assert not optimizer.state
    assert all(parameter.grad is None for parameter in model.parameters())


def test_state_with_more_bits_than_the_weights_is_not_rounded():
    weight = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    model = nn.Module()
    model.weight = weight
    exact = torch.tensor([0.123456789, 1.0, 2.0])
    optimizer.state[weight]["momentum_buffer"] = exact.clone()
    normalised_step(model, optimizer, lambda m, b: (m.weight.float() * b).sum(), [exact])
    assert torch.equal(optimizer.state[weight]["momentum_buffer"], exact)


def test_weights_the_optimizer_has_outside_the_model_are_put_back_too():
    model, outside = nn.Linear(4, 1), nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([*model.parameters(), outside], lr=0.1)
    what_if(model, optimizer, lambda m, b: loss_of(m, b) + (outside**2).sum(), BATCHES, steps=2)
    assert outside.item() == 1.0
    assert outside.grad is None


def test_hooks_on_the_optimizer_are_not_called():
    model, optimizer = make(OPTIMIZERS["sgd"])
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    calls = []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    what_if(model, optimizer, loss_of, BATCHES, steps=2)
    assert calls == []
    updates(model, optimizer, 1)
    scheduler.step()
    assert calls == [1]


def test_further_objects_are_put_back():
    class Criterion(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self, model, batch):
            self.count += 1
            return loss_of(model, batch)

    model, optimizer = make(OPTIMIZERS["sgd"])
    criterion = Criterion()
    saved = copy.deepcopy(criterion.state_dict())
    what_if(model, optimizer, criterion, BATCHES, steps=2, extra_state=[criterion])
    assert criterion.state_dict() == saved
