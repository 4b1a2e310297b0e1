"""How soon a live watcher says that a rate is too high: by the share of the run that has passed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from _page import table

from learnrate.watch import Options

from .labels import CLASSES, direction_of
from .scoring import judged_runs
from .views import dated_findings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .logs import LoggedRun

__all__ = ["soon_text"]

_SHARES = (0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
_TOO_HIGH = [fault for fault, name in CLASSES.items() if name.startswith("too high")]


def soon_text(families: Iterable[str]) -> str:
    """A table of the share of the runs of each fault that have been told to lower the rate by then.

    Args:
        families: whose runs are fed to a watcher, with the default thresholds.
    """
    shares: dict[str, list[float]] = {fault: [] for fault in _TOO_HIGH}
    for family in families:
        for run in judged_runs(family):
            if run.fault in shares:
                shares[run.fault].append(_said_after(run))
    rows = [
        [fault, str(len(passed))]
        + [f"{sum(share <= most for share in passed) / len(passed):.2f}" for most in _SHARES]
        for fault, passed in shares.items()
        if passed
    ]
    return table(["fault", "runs", *(f"{100 * share:.0f} %" for share in _SHARES)], rows)


def _said_after(run: LoggedRun) -> float:
    """The share of the run that has passed when a finding first advises a lower rate."""
    for step, finding in dated_findings(run, Options()):
        if direction_of(finding) == "lower":
            return min(1.0, (step + 1) / int(run.about["total_steps"]))
    return math.inf
