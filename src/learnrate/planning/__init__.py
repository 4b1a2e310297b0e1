"""Planning: the peak rate of a whole run, from short trials, with its evidence.

Reading or showing a plan does not load torch; making one does.
"""

from typing import TYPE_CHECKING

from learnrate.planning._picture import plan_panels
from learnrate.planning._result import Plan, PlanVerdict, Rung, RungTrial

if TYPE_CHECKING:
    from learnrate.planning._plan import JOURNAL_NAME, plan, replan

__all__ = [
    "JOURNAL_NAME",
    "Plan",
    "PlanVerdict",
    "Rung",
    "RungTrial",
    "plan",
    "plan_panels",
    "replan",
]


def __getattr__(name: str) -> object:
    if name not in {"JOURNAL_NAME", "plan", "replan"}:
        raise AttributeError(f"module 'learnrate.planning' has no attribute {name!r}")
    from learnrate.planning import _plan  # noqa: PLC0415 - loads torch

    return getattr(_plan, name)
