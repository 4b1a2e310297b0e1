"""Watch: read a run, and say in words what its learning rate does wrong."""

from learnrate.watch._diagnose import RULES, Diagnosis, Options, diagnose
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._observations import COLUMNS, Observations
from learnrate.watch._rule import Rule
from learnrate.watch._stability import adam_limit, rmsprop_limit, sgd_limit
from learnrate.watch._watcher import Watcher

__all__ = [
    "COLUMNS",
    "RULES",
    "Diagnosis",
    "Finding",
    "Observations",
    "Options",
    "Rule",
    "Severity",
    "Watcher",
    "adam_limit",
    "diagnose",
    "rmsprop_limit",
    "sgd_limit",
]
