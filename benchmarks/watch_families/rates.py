"""The rates of a run: healthy schedules, and the faults of schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.schedules import schedule

if TYPE_CHECKING:
    from learnrate.schedules import Schedule

    from .specs import Spec

__all__ = ["SCHEDULES", "USUAL", "planned_schedule", "rates_of", "resume_step"]

USUAL = "warmup(5%) >> cosine()"
SCHEDULES = (
    USUAL,
    "constant()",
    "warmup(10%) >> linear()",
    "multi_step(factor=0.1, boundaries=[50%, 75%])",
    "cosine()",
    "warmup(30%) >> cosine()",
    "warmup(5%) >> constant() >> linear(25%)",
    "cosine_restarts(every=25%)",
    "warmup(3%) >> constant()",
    "exponential()",
    "linear(floor=0.1)",
    "cosine_restarts(every=14.3%, growth=2)",
    "step(every=20%, factor=0.5)",
)
"""Schedules of healthy runs, at peak 1."""

_OTHER_TEXTS = {  # by fault: the text of the schedule, None for the intended, and its length
    "decay_too_long": (None, 1.6),
    "warmup_missing": ("cosine()", 1.0),
}
_COSINES = {
    "stepped_per_update": 1 / 20,
    "climbed": 0.65,
}  # their lengths as shares of the run
_RESUME_FACTORS = {"resume_x10": 10.0, "resume_/10": 0.1}


def planned_schedule(spec: Spec, peak: float) -> Schedule:
    """The schedule that the run should follow."""
    return (peak * schedule(spec.schedule)).over(spec.setup.task.steps)


def resume_step(spec: Spec) -> int | None:
    """The first update after the interruption; None without one."""
    if not spec.resumed:
        return None
    return int((0.4 + 0.1 * (spec.seed % 4)) * spec.setup.task.steps)


def rates_of(spec: Spec, peak: float) -> np.ndarray:
    """The rate of each update.

    Args:
        spec: the run.
        peak: the highest rate of the schedule as intended.
    """
    plan = planned_schedule(spec, peak).table()
    if spec.fault in _OTHER_TEXTS:
        text, length = _OTHER_TEXTS[spec.fault]
        total_steps = len(plan)
        other = (peak * schedule(text or spec.schedule)).over(int(length * total_steps))
        return other.table()[:total_steps]
    if spec.fault in _COSINES:  # torch's cosine, which goes on beyond its end
        phase = np.arange(len(plan)) / (_COSINES[spec.fault] * len(plan))
        return np.asarray(peak * 0.5 * (1 + np.cos(np.pi * phase)))
    late = resume_step(spec) or int((0.45 + 0.1 * (spec.seed % 3)) * len(plan))
    return _changed(spec, plan.copy(), late)


def _changed(spec: Spec, rates: np.ndarray, late: int) -> np.ndarray:
    """The rates of a plan, changed from a step on."""
    if spec.fault == "rate_zero":
        return np.zeros(len(rates))
    if spec.fault == "never_decayed":
        return np.maximum.accumulate(rates)
    if spec.fault == "zero_from_half":
        rates[len(rates) // 2 :] = 0.0
    elif spec.fault == "jump":
        rates[late:] *= (3.0, 8.0)[spec.seed % 2]
    elif spec.fault in {"restarted", "resume_restarted"}:
        rates[late:] = rates[: len(rates) - late].copy()
    elif spec.fault in _RESUME_FACTORS:
        rates[late:] *= _RESUME_FACTORS[spec.fault]
    return rates
