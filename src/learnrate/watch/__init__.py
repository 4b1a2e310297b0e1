"""Watch: read a run, and say in words what its learning rate does wrong."""

from learnrate.watch._finding import Finding, Severity
from learnrate.watch._observations import COLUMNS, Observations

__all__ = ["COLUMNS", "Finding", "Observations", "Severity"]
