"""Muon and AdamW with one rate or with two."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._data import noisy_digits
from learnrate.claims._measurement import AS_GOOD, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_of_others, geometric_grid
from learnrate.claims._tasks import mlp, task_on

if TYPE_CHECKING:
    from torch import nn

    from learnrate.claims._trials import ClaimTrials

_LR = 1e-3  # a placeholder: schedules keep the ratio
_RATIOS = (0.3, 1.0, 3.0)
_SCALES = {"match_rms_adamw": "loss", "original": "loss, unscaled"}


def _optimizers(ratio: float, scale: str, model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the matrices between hidden layers, and AdamW for all other parameters."""
    hidden = [value for value in list(model.parameters())[2:-2] if value.ndim == 2]
    known = {id(value) for value in hidden}
    rest = [value for value in model.parameters() if id(value) not in known]
    return [
        torch.optim.Muon(hidden, lr=ratio * _LR, weight_decay=0.0, adjust_lr_fn=scale),
        torch.optim.AdamW(rest, lr=_LR, weight_decay=0.0),
    ]


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The loss with one rate for both over that with the best ratio of the two."""
    task = task_on(
        noisy_digits(), partial(mlp, 64, 32, layers=4), batch=32, steps=200 if trials.full else 100
    )
    rates = geometric_grid(1e-3, 0.1, 2)
    parts = []
    for scale, figure in _SCALES.items():
        losses = [
            trials.sweep(replace(task, optimizer=partial(_optimizers, ratio, scale)), rates)
            for ratio in _RATIOS
        ]
        common = best_of_others(losses[_RATIOS.index(1.0)])
        best = [_RATIOS[row] for row in np.array(losses).min(axis=1).argmin(axis=0)]
        lowest = np.array(losses).mean(axis=2).min(axis=1)
        values = {figure: common / best_of_others(np.vstack(losses)), "best ratio": best}
        parts.append(ClaimMeasurement.of(scale, values, ClaimLine.of(scale, _RATIOS, lowest)))
    return ClaimMeasurement.joined(parts)


CLAIM = Claim(
    topic="defaults",
    statement="With updates scaled to the size of AdamW's, Muon and AdamW share one learning rate.",
    source="Liu et al., Muon is scalable for LLM training, 2025, arXiv:2502.16982",
    design="""
        Networks with four hidden layers learn digits with new noise. torch's Muon trains the
        matrices between hidden layers and AdamW trains all other parameters, both without weight
        decay. The rate of Muon is 0.3, 1 or 3 times that of AdamW. Each ratio trains at five rates,
        with 5 % warm-up and a linear decay to 0. The loss at the best common rate is compared with
        the loss at the best pair of rates; both are chosen on the other seeds.
    """,
    figures=(
        factor(
            "loss",
            "loss with one rate divided by loss with the best two, Muon scaled",
            high=AS_GOOD,
        ),
        factor("loss, unscaled", "the same with the scale of Muon's authors"),
        factor("best ratio", "Muon's rate over AdamW's in the best pair of each seed"),
    ),
    measure=_measure,
    seeds=(3, 4),
    quick_decides=False,
    axes=ClaimAxes("rate of Muon over rate of AdamW", "validation loss"),
    remark="""
        In torch, this scaling is `adjust_lr_fn="match_rms_adamw"`. The default is the scaling of
        Muon's authors, for which the two rates differ by a factor that depends on the size of the
        matrices.
    """,
)
