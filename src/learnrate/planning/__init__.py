"""Planning: the peak rate of a whole run, from short trials, with its evidence."""

from learnrate.planning._plan import JOURNAL_NAME, plan
from learnrate.planning._result import Plan, Rung, RungTrial, Verdict

__all__ = ["JOURNAL_NAME", "Plan", "Rung", "RungTrial", "Verdict", "plan"]
