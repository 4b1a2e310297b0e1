"""The range test's answer against its length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._tasks import digits_mlp, fashion_mlp
from learnrate.range_test import find

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench
    from learnrate.task import Task

_LENGTHS = (50, 100, 200, 400)
_RULES = {"minimum": "slope", "steepest": "slope, other rules", "valley": "slope, other rules"}


def _measure(bench: Bench) -> Measured:
    lengths = (*_LENGTHS, 800, 1600) if bench.full else _LENGTHS
    cases, lines = [], []
    for task in bench.tasks:
        answers = np.array(
            [[_answers(task, seed, length) for length in lengths] for seed in bench.seeds]
        )
        for at, (rule, figure) in enumerate(_RULES.items()):
            logs = np.log(answers[..., at])
            slopes = np.polyfit(np.log(lengths), logs.T, 1)[0]
            cases.append(Case(figure, f"{task.name}, {rule}", slopes.tolist()))
            lines.append(Line(f"{task.name}, {rule}", lengths, np.exp(logs.mean(axis=0)).tolist()))
    return Measured(cases, lines[:6])


def _answers(task: Task, seed: int, length: int) -> list[float]:
    """What the rules answer on one range test of so many updates."""
    found = find(task, low=1e-5, iters=length, repeats=1, seed=seed, progress=False)
    # A curve too short for a rule answers with the lowest rate there is.
    return [found.rules[rule] or float(found.lr[0]) for rule in _RULES]


CLAIM = Claim(
    name="range-test-depends-on-its-length",
    topic="range test",
    statement="The rate that a range test suggests depends on its length: the longer, the lower.",
    source=(
        "Logs of Smith & Topin, Super-convergence, 2017, arXiv:1708.07120, in "
        "github.com/lnsmith54/super-convergence"
    ),
    design=(
        "Range tests of 50 to 400 updates (1,600 in the full test) from 1e-5 to 10, with the "
        "same first weights. The slope is that of ln suggestion against ln length. The rule is "
        "a tenth of the rate with the lowest smooth loss; steepest fall and valley stand beside "
        "it."
    ),
    figures=(
        Figure(name="slope", says="d ln suggestion / d ln length, by the lowest loss", high=-0.1),
        Figure(name="slope, other rules", says="d ln suggestion / d ln length"),
    ),
    measure=_measure,
    tasks=lambda full: [
        make(optimizer)
        for make in ((digits_mlp, fashion_mlp) if full else (digits_mlp,))
        for optimizer in ("SGD momentum", "Adam")
    ],
    axes=("updates in the test", "suggested rate"),
    log="xy",
    remark=(
        "In Smith's logs of ResNet-56, 0 to 3, the smoothed training loss is lowest at 1.86 in "
        "the test of 5,000 updates and at 0.18 to 0.57 in those of 20,000 and 100,000: three to "
        "ten times lower. The smoothing here spans as many updates at every length, so a longer "
        "test also blurs the rate less."
    ),
)
