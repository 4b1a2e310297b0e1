"""The suggestion of a range test for a residual network at batch 512."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims import _data as data
from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._measurement import ABOUT, Case, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._tasks import residual, task_on
from learnrate.range_test import RULES, find

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The answer of every rule, and the rate with the lowest loss."""
    cases, lines = [], []
    for examples in [data.digits(), data.cifar()] if trials.full else [data.digits()]:
        name = examples.name
        model = partial(residual, (1, 8, 8) if name == "digits" else (3, 32, 32))
        task = task_on(examples, model, "SGD momentum", batch=512, label="residual network")
        tests = [
            find(task, low=1e-4, iters=60, repeats=1, seed=seed, progress=trials.progress)
            for seed in trials.seeds
        ]
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
        Range tests of 60 updates from 1e-4 to 10 on a residual network with BatchNorm (7
        convolutions, SGD with momentum 0.9, batch 512). The rate of lowest loss decides, as
        Smith reads the test. The answers of four other rules are reported.
    """,
    figures=(
        factor("lowest loss", "the rate of lowest loss", low=1 / ABOUT, high=ABOUT),
        factor("other rules", "the rate that each of the other rules suggests"),
    ),
    measure=_measure,
    seeds=(3, 4),
    axes=ClaimAxes("lr", "training loss, smoothed"),
    quick_decides=False,
    remark="""
        The test differs from the original. The network has 7 convolutions of 8 to 32 channels
        instead of 55 of 16 to 64. The data are digits and 4,000 images of CIFAR-10 instead of
        50,000 images, without augmentation and weight decay. The test has 60 updates instead of
        thousands. ResNet-56 itself takes too long for a claim. A longer test would suggest a lower
        rate: see range-test-depends-on-its-length. Smith reads the test at the rate of the lowest
        loss; on digits the other rules suggest rates that are 10 to 70 times lower.
    """,
)
