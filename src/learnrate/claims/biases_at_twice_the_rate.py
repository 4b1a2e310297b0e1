"""Biases with a rate of their own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from learnrate.claims._measurement import AS_GOOD, factor
from learnrate.claims._measures import geometric_grid
from learnrate.claims._tasks import digits_mlp, noisy_digits_mlp
from learnrate.claims._variants import LOSS, RATE, VariantPair, variants_claim

if TYPE_CHECKING:
    from collections.abc import Sequence

_LR = 0.1  # a placeholder: schedules keep the ratio of the groups
_TIMES = (2.0, 10.0)


def _optimizer(times: float, model: nn.Module) -> torch.optim.SGD:
    """SGD with momentum whose biases have a rate some times higher than the weights."""
    biases = [value for name, value in model.named_parameters() if name.endswith("bias")]
    weights = [value for name, value in model.named_parameters() if not name.endswith("bias")]
    groups = [{"params": weights, "lr": _LR / times}, {"params": biases, "lr": _LR}]
    return torch.optim.SGD(groups, momentum=0.9)


def _pairs(_full: bool) -> Sequence[VariantPair]:
    makers = {"noisy digits": noisy_digits_mlp, "digits": digits_mlp}
    pairs = []
    for name, make in makers.items():
        task = make("SGD momentum", steps=300)
        for times in _TIMES:
            variant = replace(task, optimizer=partial(_optimizer, times))
            where = f"{name}, {times:g} times"
            pairs.append(VariantPair(where, task, variant, geometric_grid(1e-2, 3.0)))
    return pairs


CLAIM = variants_claim(
    topic="defaults",
    statement="Biases should learn at a higher rate than the weights, such as twice theirs.",
    source="the example networks of Caffe, Jia et al. 2014, arXiv:1408.5093: lr_mult 1 and 2",
    design="""
        Networks with two hidden layers learn by SGD with momentum 0.9. Either all parameters have
        one rate, or the biases have twice or ten times the rate of the weights.
    """,
    figures=(
        factor(LOSS, "lowest loss with faster biases divided by that with one rate", high=AS_GOOD),
        factor(RATE, "best rate of the biases divided by the best common rate"),
    ),
    pairs=_pairs,
    seeds=(4, 6),
    remark="""
        The claim counts as true if a higher rate for biases costs at most 5 %. A ratio of 1 means
        that it neither helps nor harms; a single rate is then simpler.
    """,
)
