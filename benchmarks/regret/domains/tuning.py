"""Fine-tuning of trained networks: whole, or by low-rank adapters alone."""

from __future__ import annotations

import gzip
from functools import lru_cache

import torch
from torch import nn

from regret import data, models
from regret.workload import Workload, pretrained, tuned_from

from .classic import with_new_head
from .pictures import handwriting_classes

__all__ = ["WORKLOADS"]


class _Adapted(nn.Module):
    """A fixed dense layer with a trained product of two thin matrices (Hu et al., 2021)."""

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        self.layer = layer
        self.down = nn.Linear(layer.in_features, rank, bias=False)
        self.up = nn.Linear(rank, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.layer(x) + 2 * self.up(self.down(x)))


def _with_adapters(model: nn.Module, rank: int) -> nn.Module:
    """Fix all weights, and add an adapter to every dense layer."""
    for weight in model.parameters():
        weight.requires_grad_(False)
    for parent in [*model.modules()]:
        for name, child in [*parent.named_children()]:
            if isinstance(child, nn.Linear):
                setattr(parent, name, _Adapted(child, rank))
    return model


@lru_cache
def _digits_base() -> nn.Module:
    lowest_classes = Workload(
        "fine-tuning", lambda: models.mlp(64, 64, 5), lambda: data.digits().of_classes(0, 4)
    )
    return pretrained(lowest_classes, 32, 200)


def _digits_adapted(model: nn.Module) -> nn.Module:
    """Adapters in the hidden layers, and a new last layer."""
    assert isinstance(model, nn.Sequential)
    return nn.Sequential(_with_adapters(model[:-1], 4), nn.Linear(64, 5))


@lru_cache
def _omniglot_base() -> nn.Module:
    alphabet = Workload("fine-tuning", _omniglot_cnn, lambda: handwriting_classes(100, 20))
    return pretrained(alphabet, 32, 300)


def _omniglot_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 20),
    )


@lru_cache
def _text_base() -> nn.Module:
    plays = Workload("fine-tuning", _character_model, data.chars, clip_norm=1.0)
    return pretrained(plays, 16, 400)


def _character_model() -> nn.Module:
    return models.TransformerText(65, 32, data.LENGTH, layers=1)


@lru_cache
def _articles() -> data.Text:
    """WikiText-2 in the characters of Tiny Shakespeare, without the others."""
    characters = sorted(set((data.folder() / "tinyshakespeare.txt").read_text()))
    place = {char: index for index, char in enumerate(characters)}
    with gzip.open(data.folder() / "wikitext-2" / "valid.txt.gz", "rt", encoding="utf-8") as file:
        text = file.read(300_000)
    tokens = torch.tensor([place[char] for char in text if char in place])
    cut, span = len(tokens) * 9 // 10, torch.arange(data.LENGTH + 1)
    starts = torch.linspace(cut, len(tokens) - data.LENGTH - 1, 300).long()[:, None]
    windows = tokens[starts + span]
    return data.Text(tokens[:cut], windows[:, :-1], windows[:, 1:], len(place))


_TUNING = "fine-tuning"

WORKLOADS = {
    "digits-adapted": Workload(
        _TUNING,
        tuned_from(_digits_base, _digits_adapted),
        lambda: data.digits().of_classes(5, 9),
        seeds=3,
    ),
    "omniglot-tuned": Workload(
        _TUNING,
        tuned_from(_omniglot_base, with_new_head(20)),
        lambda: handwriting_classes(200, 20),
    ),
    "articles-tuned": Workload(
        _TUNING, tuned_from(_text_base, lambda model: model), _articles, clip_norm=1.0
    ),
    "articles-adapted": Workload(
        _TUNING,
        tuned_from(_text_base, lambda model: _with_adapters(model, 2)),
        _articles,
        clip_norm=1.0,
    ),
}
