"""What the range test says for a residual network at batch 512."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims import _data as data
from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._tasks import residual, task_on
from learnrate.range_test import RULES, find

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench


def _measure(bench: Bench) -> Measured:
    """What every rule answers, and where the loss is lowest."""
    examples = [data.digits(), data.cifar()] if bench.full else [data.digits()]
    cases, lines = [], []
    for one in examples:
        model = partial(residual, (1, 8, 8) if one.name == "digits" else (3, 32, 32))
        task = task_on(one, model, "SGD momentum", batch=512, called="residual network")
        tests = [
            find(task, low=1e-4, iters=60, repeats=1, seed=seed, progress=bench.progress)
            for seed in bench.seeds
        ]
        lowest = [float(test.lr[int(np.nanargmin(test.smooth[0]))]) for test in tests]
        cases.append(Case("suggestion", f"{one.name}, lowest loss", lowest))
        for rule in RULES:
            answers = [test.rules[rule] or float(test.lr[0]) for test in tests]
            cases.append(Case("suggestion", f"{one.name}, {rule}", answers))
        common = min(len(test.mean) for test in tests)
        curve = np.mean([test.mean[:common] for test in tests], axis=0)
        lines.append(Line(one.name, tests[0].lr[:common].tolist(), curve.tolist()))
    return Measured(cases, lines)


CLAIM = Claim(
    name="resnet-batch-512-near-1",
    topic="range test",
    statement="For ResNet-56 and a batch of 512 the range test says about 1.",
    source=(
        "Common advice, after Smith, A disciplined approach to neural network hyper-parameters, "
        "2018, arXiv:1803.09820"
    ),
    design=(
        "Range tests of 60 updates from 1e-4 to 10 on a residual network with BatchNorm (7 "
        "convolutions, SGD with momentum 0.9, batch 512), read by four rules and by the lowest "
        "loss."
    ),
    figures=(
        Figure(name="suggestion", says="the rate that is read off", low=0.5, high=2.0, unit="x"),
    ),
    measure=_measure,
    seeds=3,
    full_seeds=4,
    axes=("lr", "training loss, smoothed"),
    remark=(
        "A small network of the same kind, on small images: not ResNet-56, which trains too "
        "long for a claim. The rules differ among themselves by more than the saying allows."
    ),
)
