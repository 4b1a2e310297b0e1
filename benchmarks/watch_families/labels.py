"""Labels: the fault of a run of the corpus, and the change of the rate that a finding advises.

Whether a fault had an effect is decided by the progress of the run and by its sweep, never by a rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .logs import read_truth
from .sweep import cost_of

if TYPE_CHECKING:
    from learnrate.watch import Finding

    from .logs import LoggedRun

__all__ = ["CLASSES", "Label", "direction_of", "is_right", "label_of"]

_COSTS = 0.1  # of the best: a fault of the rate that costs less is not counted
_HEALTHY_LOSS = 0.3  # of the fall: a run that falls short by more is not counted as healthy

CLASSES = {
    "healthy": "healthy",
    "rate_x10": "too high, x10 and x30",
    "rate_x30": "too high, x10 and x30",
    "rate_x1000": "too high, x1000",
    "rate_/30": "too low, /30",
    "rate_/100": "too low, /100",
    "rate_zero": "frozen",
    "no_gradient": "frozen",
    "never_decayed": "schedule",
    "restarted": "schedule",
    "zero_from_half": "schedule",
    "stepped_per_update": "schedule",
    "decay_too_long": "schedule",
    "climbed": "schedule",
    "jump": "schedule",
    "warmup_missing": "warm-up",
    "resume_x10": "resume, rate wrong",
    "resume_/10": "resume, rate wrong",
    "resume_restarted": "resume, rate wrong",
    "state_lost": "resume, state lost",
    "weights_lost": "resume, state lost",
    "zero_inputs": "data",
    "shuffled_labels": "data",
    "unshuffled": "data",
    "unnormalised": "data",
    "double_softmax": "data",
    "no_zero_grad": "data",
    "nan_batch": "data",
    "part_frozen": "data",
    "part_detached": "data",
    "undivided": "data",
}
"""The class of each fault."""

_RIGHT = {  # the codes that name a fault
    "never_decayed": {"LR302"},
    "restarted": {"LR305"},
    "zero_from_half": {"LR303", "LR202"},
    "stepped_per_update": {"LR307"},
    "decay_too_long": {"LR302", "LR308"},
    "climbed": {"LR306"},
    "jump": {"LR305"},
    "warmup_missing": {"LR304"},
    "resume_x10": {"LR305"},
    "resume_/10": {"LR305"},
    "resume_restarted": {"LR305"},
    "rate_zero": {"LR202"},
    "no_gradient": {"LR202"},
    "nan_batch": {"LR101"},
}
_COSTLY = {"rate_x10", "rate_x30", "rate_x1000", "rate_/30", "rate_/100", "warmup_missing"}
_NOT_OF_THE_DATA = {"LR401"}
_RATE_IS_TOO_HIGH_TOO = {  # the rate is too high from somewhere on, or the steps are
    "jump",
    "resume_x10",
    "resume_restarted",
    "restarted",
    "never_decayed",
    "decay_too_long",
    "warmup_missing",
    "stepped_per_update",
    "climbed",
    "undivided",
    "no_zero_grad",
    "unnormalised",
    "weights_lost",
    "state_lost",
    "nan_batch",
}


@dataclass(frozen=True)
class Label:
    """What is true of a run.

    Attributes:
        name: the class of its fault.
        counts: whether it is judged; not if the fault had no effect.
        cost: against the best of the sweep.
        truth: `lower` or `raise` if the rate should be, `right` if it is right, `either` if a
            finding on the height of the rate is neither right nor wrong.
    """

    name: str
    counts: bool
    cost: float
    truth: str


def label_of(run: LoggedRun) -> Label:
    """What is true of a run."""
    fault = run.fault
    truth = read_truth(run.about["family"])[run.about["setup"]]
    end = float(run.about["end"])
    cost = math.inf if run.about["lost"] else cost_of(truth, end)
    if fault == "healthy":
        excess = end - truth.best - 2 * truth.noise
        shortfall = excess / max(truth.start - truth.best, 1e-12)
        most = _HEALTHY_LOSS if run.about["share"] == 1 else 2 * _HEALTHY_LOSS  # or it goes on
        counts = not run.about["lost"] and shortfall < most
        return Label("healthy", counts, cost, "right")
    counts = cost >= _COSTS if fault in _COSTLY else True
    if fault == "state_lost":
        counts = run.about["optimizer"] != "sgd"
    if fault.startswith("rate_x"):
        direction = "lower"
    elif fault in {"rate_/30", "rate_/100", "rate_zero", "resume_/10"}:
        direction = "raise"
    else:
        direction = "either" if fault in _RATE_IS_TOO_HIGH_TOO else "neither"
    return Label(CLASSES[fault], counts, cost, direction)


def direction_of(finding: Finding) -> str | None:
    """The change of the rate that a finding advises: `lower`, `raise`, or None."""
    code = finding.code
    if code == "LR202":
        return "raise" if "raise" in finding.remedy.lower() else None
    if code == "LR101":
        return "lower" if "lower" in finding.remedy.lower() else None
    if code.startswith("LR20"):
        return "raise"
    return "lower" if code.startswith("LR10") and code != "LR105" else None


def is_right(fault: str, code: str, direction: str | None) -> bool:
    """Whether a code names a fault.

    Args:
        fault: of the run.
        code: of a finding.
        direction: what the finding says of the rate.
    """
    if fault.startswith("rate_x"):
        return direction == "lower"
    if fault in {"rate_/30", "rate_/100"}:
        return direction == "raise" and code != "LR202"
    if fault in _RIGHT:
        return code in _RIGHT[fault]
    return code >= "LR400" and code not in _NOT_OF_THE_DATA  # data and resumes
