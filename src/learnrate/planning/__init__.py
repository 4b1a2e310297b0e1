"""Planning: the peak rate of a whole run, from short trials, with its evidence.

Reading or showing a plan does not load torch; making one does.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from learnrate.planning._earlier import EarlierPlan, EarlierRung
from learnrate.planning._picture import plan_panels
from learnrate.planning._rates_picture import HIGHEST_EXCESS, rates_panels
from learnrate.planning._rates_result import (
    PlannedRate,
    RatesMap,
    RatesPlan,
    RatesTrial,
    read_plan,
)
from learnrate.planning._result import LikePlans, Plan, PlanVerdict, Rung, RungTrial

if TYPE_CHECKING:
    from learnrate.planning._branches import RateBelief, branch_points, is_worth_an_edit
    from learnrate.planning._inside import BranchTest, InsidePlan, plan_inside
    from learnrate.planning._plan import JOURNAL_NAME, plan, replan

__all__ = [
    "HIGHEST_EXCESS",
    "JOURNAL_NAME",
    "BranchTest",
    "EarlierPlan",
    "EarlierRung",
    "InsidePlan",
    "LikePlans",
    "Plan",
    "PlanVerdict",
    "PlannedRate",
    "RateBelief",
    "RatesMap",
    "RatesPlan",
    "RatesTrial",
    "Rung",
    "RungTrial",
    "branch_points",
    "is_worth_an_edit",
    "plan",
    "plan_inside",
    "plan_panels",
    "rates_panels",
    "read_plan",
    "replan",
]

_HOMES = {  # of what loads torch
    "BranchTest": "_inside",
    "InsidePlan": "_inside",
    "RateBelief": "_branches",
    "JOURNAL_NAME": "_plan",
    "branch_points": "_branches",
    "is_worth_an_edit": "_branches",
    "plan": "_plan",
    "plan_inside": "_inside",
    "replan": "_plan",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'learnrate.planning' has no attribute {name!r}")
    return getattr(import_module(f"learnrate.planning.{home}"), name)
