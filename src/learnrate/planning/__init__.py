"""Planning: the peak rate of a whole run, from short trials, with its evidence.

A plan can be read and shown without torch; making one loads it.
"""

from typing import TYPE_CHECKING

from learnrate.planning._result import Plan, Rung, RungTrial, Verdict

if TYPE_CHECKING:
    from learnrate.planning._plan import JOURNAL_NAME, plan, replan

__all__ = ["JOURNAL_NAME", "Plan", "Rung", "RungTrial", "Verdict", "plan", "replan"]


def __getattr__(name: str) -> object:
    if name not in {"JOURNAL_NAME", "plan", "replan"}:
        raise AttributeError(f"module 'learnrate.planning' has no attribute {name!r}")
    from learnrate.planning import _plan  # noqa: PLC0415 - it loads torch

    return getattr(_plan, name)
