"""Watch: read a run, and say in words what is wrong with its learning rate."""

from learnrate.watch._diagnose import Diagnosis, diagnose
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import INSPECTION_COLUMNS
from learnrate.watch._measured import measured_facts
from learnrate.watch._objectives import OBJECTIVES, checked_objective
from learnrate.watch._observations import COLUMNS, Observations
from learnrate.watch._path import PATH_COLUMNS, path_columns
from learnrate.watch._registry import RULES, Options
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._stability import adam_limit, rmsprop_limit, sgd_limit
from learnrate.watch._unit import unit_of
from learnrate.watch._watcher import Watcher

__all__ = [
    "COLUMNS",
    "INSPECTION_COLUMNS",
    "OBJECTIVES",
    "PATH_COLUMNS",
    "RULES",
    "Diagnosis",
    "Finding",
    "Observations",
    "Options",
    "Rule",
    "RuleOptions",
    "Severity",
    "Watcher",
    "adam_limit",
    "checked_objective",
    "diagnose",
    "measured_facts",
    "path_columns",
    "rmsprop_limit",
    "sgd_limit",
    "unit_of",
]
