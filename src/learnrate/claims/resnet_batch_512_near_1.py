"""The suggestion of a range test for a residual network at batch 512."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from learnrate.claims import _data as data
from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import ABOUT, Case, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._tasks import residual, task_on
from learnrate.range_test import RULES, find

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials
    from learnrate.range_test import RangeTest
    from learnrate.task import Task

_BATCH = 512
_WIDTH = 4  # of the first stage; that of ResNet-56 is 16
_optimizer = partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=1e-4)


def _tasks(full: bool) -> list[Task]:
    """Range tests of digits, and in the full test of CIFAR-10 with the depth of ResNet-56."""
    digits = task_on(
        data.digits(),
        partial(residual, (1, 8, 8)),
        _optimizer,
        batch=_BATCH,
        steps=60,
        label="8 layers",
    )
    if not full:
        return [digits]
    deep = partial(residual, (3, 32, 32), _WIDTH, blocks=9)
    images = task_on(data.cifar(), deep, _optimizer, batch=_BATCH, steps=70, label="56 layers")
    return [digits, images]


def _range_test(task: Task, seed: int) -> RangeTest:
    """The range test of one seed."""
    return find(task, low=1e-4, iters=task.run_length(), repeats=1, seed=seed, progress=False)


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The answer of every rule, and the rate with the lowest loss."""
    cases, lines = [], []
    for task in _tasks(trials.full):
        name = task.name
        tests = trials.parallel_map(partial(_range_test, task), trials.seeds)
        lowest = [float(test.lr[int(np.nanargmin(test.smooth[0]))]) for test in tests]
        cases.append(Case("lowest loss", name, lowest))
        for rule in RULES:
            answers = [test.rules[rule] or float(test.lr[0]) for test in tests]
            cases.append(Case("other rules", f"{name}, {rule}", answers))
        common = min(len(test.mean) for test in tests)
        curve = np.mean([test.mean[:common] for test in tests], axis=0)
        lines.append(ClaimLine.of(name, tests[0].lr[:common], curve))
    return ClaimMeasurement(cases, lines)


CLAIM = Claim(
    topic="range test",
    statement="For ResNet-56 and a batch of 512 the range test says about 1.",
    source="""
        Common advice, after Smith, A disciplined approach to neural network hyper-parameters,
        2018, arXiv:1803.09820
    """,
    design="""
        Range tests from 1e-4 to 10 with batches of 512, SGD with momentum 0.9 and weight decay
        1e-4. The full test has the 56 layers of ResNet-56 (nine blocks of two convolutions in each of
        three stages, BatchNorm, shortcuts without parameters) on 4,000 images of CIFAR-10 for ten
        epochs, 70 updates; digits and 8 layers for 60 updates come beside it. The rate of lowest
        loss decides, as Smith reads the test. The answers of four other rules are reported.
    """,
    figures=(
        factor("lowest loss", "the rate of lowest loss", low=1 / ABOUT, high=ABOUT),
        factor("other rules", "the rate that each of the other rules suggests"),
    ),
    measure=_measure,
    seeds=(3, 3),
    axes=ClaimAxes("lr", "training loss, smoothed"),
    quick_decides=False,
    remark="""
        Depth, batch, optimizer and images are those of the original. What differs: each stage has a
        quarter of the channels (4, 8 and 16), the images are 4,000 of 50,000 and not augmented,
        and the test takes 70 updates. Smith reads the test at the rate of lowest loss; the other rules
        differ from it by more than a factor of ten.
    """,
)
