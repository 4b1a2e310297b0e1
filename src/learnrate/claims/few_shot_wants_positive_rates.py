"""The sign of the inner rate in few-shot classification, and its trend with the length."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from learnrate import meta
from learnrate.claims import _data as data
from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import best_of_others, geometric_mean

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

_RATES = [-0.3, -0.1, 0.0, 0.1, 0.3]
_ZERO = _RATES.index(0.0)
_ADAPT_RATES = [0.0, 0.1, 0.3]
_WAYS = 5
_CHANNELS = 16
_LENGTHS = {False: (30, 120), True: (40, 160)}  # meta-updates, by whether the test is full


def _network(side: int) -> nn.Module:
    """Strided convolutions with GroupNorm until at most 4 x 4 pixels are left.

    Args:
        side: height and width of an image, in pixels.
    """
    blocks: list[nn.Module] = []
    channels = 1
    while side > 4:
        blocks += [
            nn.Conv2d(channels, _CHANNELS, 3, stride=2, padding=1),
            nn.GroupNorm(4, _CHANNELS),
            nn.ReLU(),
        ]
        channels, side = _CHANNELS, -(-side // 2)
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(channels * side * side, _WAYS))


def _task(shots: int, full: bool) -> meta.MetaTask:
    """Episodes of five digits; in the full test of five characters of Omniglot.

    The test has other digits, or other alphabets, than meta-training.

    Args:
        shots: examples of a class to adapt on.
        full: whether the test is the full one.
    """
    few_shot = partial(meta.FewShot, ways=_WAYS, shots=shots, queries=5)
    if full:
        pixels, characters, alphabets = data.omniglot()
        images = nn.functional.avg_pool2d(pixels, 2)
        train, test = few_shot(images, characters, groups=alphabets).split(by="group", held_out=8)
    else:
        digits = data.digits()
        images = digits.x.reshape(-1, 1, 8, 8)
        train, test = few_shot(images, digits.y.numpy()).split(by="class", held_out=_WAYS)
    return meta.MetaTask(
        model=partial(_network, images.shape[-1]),
        loss=nn.CrossEntropyLoss(),
        episodes=train,
        test=test,
        optimizer=lambda tensors: torch.optim.Adam(tensors, lr=3e-3),
        batch=4,
        test_count=60,
        name=f"{'Omniglot' if full else 'digits'}, 5-way {shots}-shot",
    )


def _losses(task: meta.MetaTask, steps: int, seed: int) -> np.ndarray:
    """The test loss at each inner rate, with the adaptation rate that is best for it."""
    swept = meta.sweep(
        task, _RATES, _ADAPT_RATES, total_steps=steps, seed=seed, seeds=1, progress=False
    )
    return np.asarray(swept.losses[:, :, 0].min(axis=1))


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The best positive inner rate over the best of zero and the negative ones."""
    parts = []
    for shots in (1, 5):
        task = _task(shots, trials.full)
        for steps in _LENGTHS[trials.full]:
            losses_of = partial(_losses, task, steps)
            losses = np.array(trials.parallel_map(losses_of, trials.seeds)).T
            ratio = best_of_others(losses[_ZERO + 1 :]) / best_of_others(losses[: _ZERO + 1])
            where = f"{task.name}, {steps} meta-updates"
            line = ClaimLine.of(where, _RATES, geometric_mean(losses, axis=1))
            parts.append(ClaimMeasurement.of(where, {"loss": ratio}, line))
    return ClaimMeasurement.joined(parts)


CLAIM = Claim(
    topic="meta-learning",
    statement="Few-shot classification wants a positive inner rate.",
    source="Finn et al. 2017, MAML, arXiv:1703.03400; Bernacchia 2021, arXiv:2102.00940, for when not",
    design="""
        MAML with one inner step on episodes of five classes, with one and with five examples of
        each to adapt on, and a convolutional network of 16 channels. It is meta-trained for several lengths at
        inner rates of -0.3, -0.1, 0, 0.1 and 0.3, and tested on new classes after adaptation at 0, 0.1
        or 0.3, whichever is best for the inner rate. The better positive rate is compared with the
        best of the others, chosen on other seeds. The quick test has digits, the full one characters of
        Omniglot at 14 x 14 pixels, with other alphabets in the test.
    """,
    figures=(
        factor(
            "loss",
            "test loss at the best positive inner rate divided by that at the best of the others",
            high=1.0,
        ),
    ),
    measure=_measure,
    seeds=(3, 3),
    quick_decides=False,
    remark="""
        MAML's authors train for 60,000 meta-updates. Here the longest run has 160 meta-updates, and
        the different lengths show the trend. Classes get new numbers in every episode, so nothing
        can be learned without an inner step.
    """,
    axes=ClaimAxes("inner_lr", "test loss", log=""),
)
