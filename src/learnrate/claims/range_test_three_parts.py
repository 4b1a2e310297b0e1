"""The parts of a range test's curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._tasks import digits_mlp, fashion_mlp
from learnrate.range_test import find

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench
    from learnrate.range_test import RangeTest

_FLAT = 0.1  # of the whole fall: until then the loss is where it was


def _measure(bench: Bench) -> Measured:
    cases, lines = [], []
    for task in bench.tasks:
        for mode in ("exponential", "linear"):
            found = find(
                task,
                mode=mode,
                repeats=len(bench.seeds),
                seed=bench.seeds[0],
                progress=bench.progress,
            )
            where = f"{task.name}, {mode}"
            flat, falling, rise = np.array(
                [_parts(found, repeat) for repeat in range(len(bench.seeds))]
            ).T
            cases += [
                Case("flat", where, flat.tolist()),
                Case("falling", where, falling.tolist()),
                Case("exploding", where, rise.tolist()),
            ]
            shown = np.unique(np.linspace(0, len(found.mean) - 1, 60).astype(int))
            lines.append(Line(where, found.lr[shown].tolist(), found.mean[shown].tolist()))
    return Measured(cases, lines[:6])


def _parts(found: RangeTest, repeat: int) -> tuple[float, float, float]:
    """Shares of the test that are flat and that fall, and the highest loss thereafter."""
    smooth = found.smooth[repeat, : found.reached[repeat]]
    lowest = int(smooth.argmin())
    level = smooth[0] - _FLAT * (smooth[0] - smooth[lowest])
    flat = int(np.argmax(smooth <= level))
    return (
        flat / len(smooth),
        (lowest - flat) / len(smooth),
        float(smooth[lowest:].max() / smooth[0]),
    )


CLAIM = Claim(
    name="range-test-three-parts",
    topic="range test",
    statement=(
        "Under a rate that rises from 1e-10 to 10, the loss first stays flat, then falls, then "
        "explodes."
    ),
    source="Common advice, after Smith, Cyclical learning rates, 2017, arXiv:1506.01186",
    design=(
        "A range test of 200 rates from 1e-10 to 10, in equal factors and in equal differences. "
        "The loss, smoothed, is flat until a tenth of its fall is done, and falls until it is "
        "lowest. Shares are of the updates that the test makes before it ends."
    ),
    figures=(
        Figure(name="flat", says="share of the test that is flat", low=0.1, unit="%"),
        Figure(
            name="falling", says="share of the test in which the loss falls", low=0.1, unit="%"
        ),
        Figure(
            name="exploding",
            says="highest loss after the lowest over that at the start",
            low=1.0,
            unit="x",
        ),
    ),
    measure=_measure,
    tasks=lambda full: [
        make(optimizer)
        for make in ((digits_mlp, fashion_mlp) if full else (digits_mlp,))
        for optimizer in ("SGD momentum", "Adam")
    ],
    seeds=5,
    axes=("lr", "training loss, smoothed"),
    log="x",
    remark=(
        "A part is read as: at least a tenth of the test. In equal differences the second rate "
        "is 0.05 already, so all decades below are gone in one update: the flat part is a "
        "matter of the exponential mode."
    ),
)
