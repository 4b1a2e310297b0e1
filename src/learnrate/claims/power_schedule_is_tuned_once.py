"""A rate that falls as a power of the tokens, at one setting for every length and batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim
from learnrate.claims._measurement import AS_GOOD, Case, ClaimMeasurement, factor
from learnrate.claims._measures import best_rows_of_others
from learnrate.claims._peaks import PEAK_AXES, peak_lines, sweep_peaks
from learnrate.claims._tasks import noisy_digits_mlp
from learnrate.schedules import power_lr

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials
    from learnrate.schedules import Schedule
    from learnrate.task import Task

_EXPONENT = 0.51
_AT_PEAK = 0.1  # share of the first run after which the power law is below the peak
_OTHERS = {
    "WSD": "warmup(5%) >> constant() >> linear(20%)",
    "cosine": "warmup(5%) >> cosine()",
}


@dataclass(frozen=True)
class _Setting:
    """A length and a batch, in words and in numbers."""

    label: str
    steps: int
    batch: int


_TUNED = {
    False: _Setting("where it is tuned", 60, 32),
    True: _Setting("where it is tuned", 80, 32),
}
_CARRIED = {
    False: (_Setting("twice as long", 120, 32),),
    True: (
        _Setting("twice as long", 160, 32),
        _Setting("batch four times larger", 80, 128),
    ),
}


def _power(tuned: _Setting, batch: int) -> Schedule:
    """The power schedule with peak 1, for a batch; it does not know the length of the run.

    Args:
        tuned: where its peak is chosen.
        batch: the batch of the run, in examples, which take the place of tokens.
    """
    law = (_AT_PEAK * tuned.steps * tuned.batch) ** _EXPONENT / tuned.batch
    return power_lr(1.0, law, batch, batch, exponent=_EXPONENT, warmup="5%", decay="20%")


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """The loss of the power schedule at its first peak, divided by that of schedules tuned in each setting."""
    tuned = _TUNED[trials.full]
    task = noisy_digits_mlp("Adam", batch=tuned.batch, steps=tuned.steps)
    shapes = {"power": str(_power(tuned, tuned.batch)).removeprefix("1 * "), **_OTHERS}
    first = sweep_peaks(trials, task, shapes)
    cases = [_case(task, tuned, name, first.over("power", name)) for name in _OTHERS]
    rows = best_rows_of_others(first.losses["power"])
    for setting in _CARRIED[trials.full]:
        longer = noisy_digits_mlp("Adam", batch=setting.batch, steps=setting.steps)
        power = _power(tuned, setting.batch)
        losses = trials.losses(
            longer, [(peak * power).over(setting.steps) for peak in first.rates]
        )
        others = sweep_peaks(trials, longer, _OTHERS)
        carried = losses[rows, np.arange(len(trials.seeds))]
        cases += [_case(longer, setting, name, carried / others.best(name)) for name in _OTHERS]
    return ClaimMeasurement(cases, peak_lines([(task, first)]))


def _case(task: Task, setting: _Setting, other: str, ratios: np.ndarray) -> Case:
    """The case of one setting and one other schedule."""
    where = f"over {other}, {setting.label}: {task.name}"
    return Case("loss ratio", where, ratios.tolist())


CLAIM = Claim(
    topic="horizon",
    statement="""
        A rate that falls as a power of the tokens seen is tuned once, and then suits every length
        and batch.
    """,
    source="Shen et al. 2024, Power scheduler, arXiv:2408.13359",
    design="""
        min(peak, batch * a * n^-0.51) after n examples, with 5 % warm-up and a linear decay over
        the last fifth, against the same without the power law (WSD) and a cosine, both after 5 %
        warm-up too. In a short run with a small batch all three have their best peaks, a factor
        of two apart, on a grid that grows until the best one lies inside; the power law leaves
        its peak after a tenth of that run. Then the run is longer, or the batch larger: peak and
        a of the power law stay, and the other two have the best peak of the new setting. Rates are
        chosen on the other seeds.
    """,
    figures=(
        factor("loss ratio", "its loss divided by that of the other schedule", high=AS_GOOD),
    ),
    measure=_measure,
    seeds=(3, 5),
    axes=PEAK_AXES,
    remark="""
        Examples take the place of tokens. The schedule was published for language models with
        millions to billions of parameters in the muP parametrization, with peaks that are not tuned
        at all.
    """,
)
