"""Functions that have a form for stacked trials: the values and the gradients of each trial alone."""

import contextlib
import functools

import numpy as np
import pytest
import torch
from engine_task import make_task
from torch import nn
from torch.nn import functional

from learnrate.trials._batchable import batchable
from learnrate.trials._stack import Stack
from learnrate.trials._stacked_functions import (
    LARGE,
    stacked_forms,
    stacked_forwards,
    with_stacked_loss,
)
from learnrate.trials._substitution import Substitution

TRIALS, BATCH, TIME = 3, 4, 5
TARGETS = torch.tensor([0, 2, 1, 0])


class Recurrent(nn.Module):
    """A GRU, from the given first state or from zeros."""

    def __init__(self, state=None, **settings):
        super().__init__()
        self.cell = nn.GRU(6, 4, **settings)
        self.state = state

    def forward(self, x):
        states, last = self.cell(x, self.state)
        return states.square().mean() + last.sin().sum()


class SelfAttention(nn.Module):
    """`nn.MultiheadAttention` of an input with itself."""

    def __init__(self, masked=False, causal=False, weights=False, **settings):
        super().__init__()
        self.layer = nn.MultiheadAttention(6, 2, **settings)
        self.first = nn.Linear(6, 6)
        self.masked, self.causal, self.weights = masked, causal, weights

    def forward(self, x):
        x = self.first(x)
        length = x.shape[1 if self.layer.batch_first else 0]
        mask = nn.Transformer.generate_square_subsequent_mask(length).to(x)
        return self.layer(
            x, x, x, attn_mask=mask if self.masked else None, is_causal=self.causal,
            need_weights=self.weights,
        )[0].square().mean()  # fmt: skip


class DotProducts(nn.Module):
    """Attention by hand; the values are the same in all trials."""

    def __init__(self, mask=None, causal=False):
        super().__init__()
        self.query, self.key = nn.Linear(6, 6), nn.Linear(6, 6, bias=False)
        self.mask, self.causal = mask, causal

    def forward(self, x):
        heads = [part(x).unflatten(-1, (2, 3)).transpose(1, 2) for part in (self.query, self.key)]
        value = x.unflatten(-1, (2, 3)).transpose(1, 2)
        return functional.scaled_dot_product_attention(
            *heads, value, attn_mask=self.mask, is_causal=self.causal
        ).square().mean()  # fmt: skip


class Words(nn.Module):
    """An embedding, a norm and a dense layer, of tokens that the trials share."""

    def __init__(self, **settings):
        super().__init__()
        self.embed = nn.Embedding(7, 6, **settings)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        tokens = (x[..., 0] * 100).long() % 7
        return self.head(self.norm(self.embed(tokens))).logsumexp(-1).mean()


class Classifier(nn.Module):
    """A dense layer and cross entropy."""

    def __init__(self, **settings):
        super().__init__()
        self.layer, self.settings = nn.Linear(6, 3), settings

    def forward(self, x):
        return functional.cross_entropy(self.layer(x[:, 0]), TARGETS, **self.settings).sum()


class OfEachStep(Classifier):
    """Cross entropy with classes on the second axis, before time."""

    def forward(self, x):
        targets = TARGETS[:, None].expand(BATCH, TIME)
        return functional.cross_entropy(self.layer(x).transpose(1, 2), targets, **self.settings)


class Large(nn.Module):
    """A dense layer whose results fill the inner cache."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 4500)

    def forward(self, x):
        return self.layer(x).cos().mean()


class Image(nn.Module):
    """Convolutions with GroupNorm over images of 5 x 6 pixels."""

    def __init__(self, *parts, **settings):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, **settings), nn.GroupNorm(2, 4), nn.ReLU(), *parts
        )

    def forward(self, x):
        return self.body(x[:, None]).flatten(1).cos().mean()


MASK = torch.ones(TIME, TIME, dtype=torch.bool).tril()
MODELS = {
    "gru": Recurrent,
    "gru, batch first": functools.partial(Recurrent, batch_first=True),
    "gru, two layers, both directions": functools.partial(
        Recurrent, num_layers=2, bidirectional=True, batch_first=True
    ),
    "gru, no bias": functools.partial(Recurrent, bias=False),
    "gru, a first state": functools.partial(
        Recurrent, state=torch.ones(1, TIME, 4, dtype=torch.float64)
    ),
    "self-attention": functools.partial(SelfAttention, batch_first=True),
    "self-attention, time first": SelfAttention,
    "self-attention, no bias": functools.partial(SelfAttention, bias=False, batch_first=True),
    "self-attention, masked": functools.partial(SelfAttention, masked=True, batch_first=True),
    "self-attention, causal": functools.partial(
        SelfAttention, masked=True, causal=True, batch_first=True
    ),
    "self-attention, weights wanted": functools.partial(SelfAttention, weights=True),
    "self-attention, a zero added": functools.partial(SelfAttention, add_zero_attn=True),
    "dot products": DotProducts,
    "dot products, causal": functools.partial(DotProducts, causal=True),
    "dot products, masked": functools.partial(DotProducts, mask=MASK),
    "dot products, a mask for each": functools.partial(DotProducts, mask=MASK.expand(4, 1, 5, 5)),
    "words": Words,
    "words, padded": functools.partial(Words, padding_idx=0),
    "large": Large,
    "image": Image,
    "image, twice": lambda: Image(nn.Conv2d(4, 6, 2, bias=False), nn.GroupNorm(3, 6), padding=1),
    "image, grouped": lambda: Image(nn.Conv2d(4, 6, (1, 2), groups=2), stride=2),
    "image, same size": lambda: Image(nn.Conv2d(4, 2, 3, padding="same", dilation=2)),
    "image, average": lambda: Image(nn.AvgPool2d(2), nn.Conv2d(4, 2, 1)),
    "image, one average": lambda: Image(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    "image, maximum": lambda: Image(nn.MaxPool2d(2), nn.Conv2d(4, 2, 1)),
    "image, not affine": lambda: Image(nn.GroupNorm(2, 4, affine=False)),
    "classes": Classifier,
    "classes, ignored": functools.partial(Classifier, ignore_index=0),
    "classes, smoothed": functools.partial(Classifier, label_smoothing=0.1, ignore_index=2),
    "classes, summed": functools.partial(Classifier, reduction="sum"),
    "classes, each": functools.partial(Classifier, reduction="none"),
    "classes, weighted": functools.partial(
        Classifier, weight=torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    ),
    "classes of each step": OfEachStep,
    "classes of each step, ignored": functools.partial(OfEachStep, ignore_index=1),
}


def weights_and_input(model):
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: torch.randn(TRIALS, *value.shape, generator=generator, dtype=torch.float64)
        for name, value in model.named_parameters()
    }
    x = torch.randn(BATCH, TIME, 6, generator=generator, dtype=torch.float64)
    return {name: value.requires_grad_() for name, value in weights.items()}, x


def of_each_trial(weights):
    return [{name: value[trial] for name, value in weights.items()} for trial in range(TRIALS)]


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_losses_and_gradients_are_those_of_each_trial_alone(make):
    model = make().double()
    weights, x = weights_and_input(model)
    substitution = Substitution(model, dict(model.named_parameters()))

    def loss(values):
        with substitution.active(values):
            return model(x)

    alone = torch.stack([loss(values) for values in of_each_trial(weights)])
    with batchable(model, stacked_forms(model), LARGE):
        stacked = torch.vmap(loss)(weights)
    assert torch.allclose(stacked, alone, rtol=1e-10)
    for actual, expected in zip(
        torch.autograd.grad(stacked.cos().sum(), list(weights.values())),
        torch.autograd.grad(alone.cos().sum(), list(weights.values())),
        strict=True,
    ):
        assert torch.allclose(actual, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_tensors_that_no_trial_differs_in_are_left_to_torch(make):
    model = make().double()
    _, x = weights_and_input(model)
    expected = model(x)
    with batchable(model, stacked_forms(model), LARGE):
        assert torch.allclose(model(x), expected, rtol=1e-10)


def test_a_gradient_inside_of_the_loss_is_left_to_torch():
    model = Classifier().double()
    weights, x = weights_and_input(model)
    substitution = Substitution(model, dict(model.named_parameters()))

    def loss(values):
        with substitution.active(values):
            return torch.func.grad(model)(x).square().sum()

    alone = [loss(values) for values in of_each_trial(weights)]
    with batchable(model, stacked_forms(model), LARGE):
        assert torch.allclose(torch.vmap(loss)(weights), torch.stack(alone), rtol=1e-10)


def test_only_a_criterion_of_torch_is_replaced():
    class Mine(nn.CrossEntropyLoss):
        pass

    smoothed = nn.CrossEntropyLoss(label_smoothing=0.1, reduction="sum", ignore_index=1)
    replaced = with_stacked_loss(make_task(loss=smoothed)).loss
    scores = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert replaced is not smoothed
    assert torch.equal(replaced(scores, TARGETS), smoothed(scores, TARGETS))
    for loss in (Mine(), nn.MSELoss(), lambda model, batch: model(batch[0]).sum()):
        assert with_stacked_loss(make_task(loss=loss)).loss is loss


class Rows(nn.Linear):
    """A dense layer of the user's."""


def test_a_dense_layer_gives_what_it_gives_alone_with_and_without_trials():
    layer = nn.Linear(6, 3).double()
    forward = stacked_forwards(layer)[layer]
    weights, x = weights_and_input(layer)
    expected = torch.stack([x @ w["weight"].mT + w["bias"] for w in of_each_trial(weights)])

    def rows(values):
        layer.__dict__["_parameters"] = values
        return forward(x)

    before = layer._parameters
    assert torch.allclose(torch.vmap(rows)(weights), expected, rtol=1e-10)
    layer.__dict__["_parameters"] = before
    assert torch.equal(forward(x), layer(x))
    assert torch.equal(forward(x[0, 0]), layer(x[0, 0]))


def test_a_forward_that_its_owner_replaced_is_left_as_it_is():
    patched = nn.Linear(6, 6)
    patched.forward = lambda rows: rows
    assert list(stacked_forwards(nn.Sequential(patched, Rows(6, 3)))) == []


def test_a_stack_restores_every_forward_even_after_an_error():
    def loss(model, batch):
        value = functional.cross_entropy(model(batch[0]), batch[1])
        assert "forward" in vars(model[0])
        if step == 1:
            raise ValueError("bad record")
        return value

    trained = Stack(make_task(loss=loss), 0, 2)
    for step in range(2):
        with pytest.raises(ValueError, match="bad record") if step else contextlib.nullcontext():
            trained.update(np.array([0.1, 0.1]))
        assert not any("forward" in vars(layer) for layer in trained.training.model.modules())
