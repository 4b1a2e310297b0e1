"""The first ten workloads: six data sets of images, text and tables."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from torch import nn

from regret import data, models
from regret.workload import Workload, pretrained, tuned_from

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WORKLOADS", "with_new_head"]


def with_new_head(classes: int) -> Callable[[nn.Module], nn.Module]:
    """Replaces the last layer of a sequence."""

    def change(model: nn.Module) -> nn.Module:
        assert isinstance(model, nn.Sequential)
        head = model[-1]
        assert isinstance(head, nn.Linear)
        model[-1] = nn.Linear(head.in_features, classes)
        return model

    return change


@lru_cache
def _fashion_base() -> nn.Module:
    lowest_classes = Workload(
        "image classes", lambda: models.cnn(5), lambda: data.fashion().of_classes(0, 4)
    )
    return pretrained(lowest_classes, 64, 300)


WORKLOADS = {
    "digits-mlp": Workload("image classes", lambda: models.mlp(64, 64, 10), data.digits, seeds=10),
    "digits-cnn": Workload("image classes", models.digits_cnn, data.digits, seeds=10),
    "fashion-mlp": Workload(
        "image classes", lambda: models.mlp(784, 64, 10), data.fashion, seeds=3
    ),
    "fashion-cnn": Workload("image classes", models.cnn, data.fashion, seeds=3),
    "fashion-tuned": Workload(
        "fine-tuning",
        tuned_from(_fashion_base, with_new_head(5)),
        lambda: data.fashion().of_classes(5, 9).first(3000),
        seeds=3,
    ),
    "cifar-resnet": Workload("image classes", models.resnet, data.cifar, seeds=3),
    "chars-gru": Workload(
        "text", lambda: models.GRUText(65, 48), data.chars, clip_norm=1.0, seeds=3
    ),
    "chars-transformer": Workload(
        "text",
        lambda: models.TransformerText(65, 32, data.LENGTH),
        data.chars,
        clip_norm=1.0,
        seeds=3,
    ),
    "words-transformer": Workload(
        "text",
        lambda: models.TransformerText(data.WORDS, 32, data.LENGTH),
        data.words,
        clip_norm=1.0,
        seeds=3,
    ),
    "adult-mlp": Workload("table classes", lambda: models.mlp(123, 32, 2), data.adult, seeds=3),
}
