"""Scores: healthy runs with a finding, recall, precision, and advice in the wrong direction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from learnrate.watch import Options, Severity

from .families import FAMILIES
from .labels import direction_of, is_right, label_of
from .logs import logged_runs
from .memo import Memo
from .views import VIEWS, findings_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from learnrate.watch import Finding, RuleOptions

    from .labels import Label
    from .logs import LoggedRun

__all__ = [
    "Score",
    "Verdict",
    "decays_on_resume",
    "judged_runs",
    "score_of",
    "scores",
    "verdict_of",
    "verdicts",
]


class Verdict(NamedTuple):
    """A finding on a run.

    Attributes:
        code: of the rule.
        severity: `error`, `warning` or `advice`.
        direction: what it says of the rate: `lower`, `raise` or None.
    """

    code: str
    severity: str
    direction: str | None


@dataclass
class Score:
    """Counts over runs in one view.

    Attributes:
        healthy: runs.
        warned: healthy runs with a warning or an error, by name with the codes.
        errors: healthy runs with an error.
        advised: healthy runs with a finding of any severity on the height of the rate.
        runs: judged runs with a fault by the class of their fault.
        right: of these, runs whose fault is named.
        right_by_fault: the same by fault; `runs_by_fault` counts them.
        missed: runs whose fault is not named, with what is said instead.
        wrong: runs that are told to go the wrong way, with the codes.
        lower, lower_right: runs with a finding that the rate is too high, and those of which it is
            true; of those where it is neither right nor wrong none is counted.
        raised, raised_right: the same of findings that the rate is too low.
        blamed: runs with a data fault that are told to change the rate.
        data: runs with a data fault but batches of NaN, which end in divergence.
    """

    healthy: int = 0
    warned: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    advised: dict[str, str] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    runs_by_fault: Counter[str] = field(default_factory=Counter)
    right_by_fault: Counter[str] = field(default_factory=Counter)
    missed: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    lower: int = 0
    lower_right: int = 0
    raised: int = 0
    raised_right: int = 0
    blamed: dict[str, str] = field(default_factory=dict)
    data: int = 0

    def recall(self, name: str) -> float | None:
        """The share of the runs of a class whose fault is named."""
        return self.right[name] / self.runs[name] if self.runs[name] else None

    def add(self, run: LoggedRun, label: Label, run_verdicts: Iterable[Verdict]) -> None:
        """Count a run with its findings."""
        verdict_list = list(run_verdicts)
        codes = " ".join(f"{verdict.code}:{verdict.severity}" for verdict in verdict_list)
        directions = {verdict.direction for verdict in verdict_list}
        self._add_directions(run.name, label, directions, codes)
        if label.name == "healthy":
            self.healthy += 1
            severities = {verdict.severity for verdict in verdict_list}
            if severities & {Severity.ERROR, Severity.WARNING}:
                self.warned[run.name] = codes
            if Severity.ERROR in severities:
                self.errors[run.name] = codes
            if directions & {"lower", "raise"}:
                self.advised[run.name] = codes
            return
        self.runs[label.name] += 1
        self.runs_by_fault[run.fault] += 1
        if any(is_right(run.fault, verdict.code, verdict.direction) for verdict in verdict_list):
            self.right[label.name] += 1
            self.right_by_fault[run.fault] += 1
        else:
            self.missed[run.name] = codes

    def _add_directions(
        self, name: str, label: Label, directions: set[str | None], codes: str
    ) -> None:
        wanted = label.truth
        if "lower" in directions and wanted != "either":
            self.lower += 1
            self.lower_right += wanted == "lower"
        if "raise" in directions and wanted != "either":
            self.raised += 1
            self.raised_right += wanted == "raise"
        opposite = {"lower": "raise", "raise": "lower"}.get(wanted)
        if opposite is not None and opposite in directions:
            self.wrong[name] = codes
        if label.name == "data" and not name.split("/")[1].startswith("nan_batch"):
            self.data += 1
            if directions & {"lower", "raise"}:
                self.blamed[name] = codes


def verdicts(
    families: Iterable[str], options: Options, views: Iterable[str] = VIEWS
) -> dict[str, dict[str, tuple[Verdict, ...]]]:
    """The findings, by view and by the name of the run.

    Args:
        families: whose runs.
        options: the thresholds.
        views: some of `VIEWS`.
    """
    by_view: dict[str, dict[str, tuple[Verdict, ...]]] = {view: {} for view in views}
    for family in families:
        if not logged_runs(family):
            continue
        for view, by_run in by_view.items():
            memo = Memo(family, view)
            rules = memo.rules()
            for run in judged_runs(family):
                by_run[run.name] = tuple(map(verdict_of, findings_in(run, view, options, rules)))
            memo.save()
    return by_view


def judged_runs(family: str) -> list[LoggedRun]:
    """The runs of a family that are judged."""
    return [run for run in logged_runs(family) if label_of(run).counts]


def verdict_of(finding: Finding) -> Verdict:
    """A finding as it is scored."""
    return Verdict(finding.code, str(finding.severity), direction_of(finding))


def score_of(families: Iterable[str], by_run: Mapping[str, tuple[Verdict, ...]]) -> Score:
    """The score of some families.

    Args:
        families: whose runs.
        by_run: what the rules say, by the name of the run.
    """
    score = Score()
    for family in families:
        for run in logged_runs(family):
            label = label_of(run)
            if label.counts and run.name in by_run and not decays_on_resume(run):
                score.add(run, label, by_run[run.name])
    return score


def decays_on_resume(run: LoggedRun) -> bool:
    """Whether a healthy run is resumed at the very step at which its rate is cut.

    Without the schedule nothing tells this from a resume at a wrong rate.
    """
    if run.fault != "healthy" or not run.about["resumed"] or run.about["schedule_planned"]:
        return False
    row = int(run.about["facts"]["resumed_at"][0])
    rate = run.columns["lr"]
    return row < len(rate) and bool(rate[row] < 0.6 * rate[row - 1])


def scores(
    options_by_rule: Mapping[str, RuleOptions] | None = None,
    families: Iterable[str] | None = None,
    views: Iterable[str] = VIEWS,
) -> dict[str, Score]:
    """The scores of some families under some thresholds, by view.

    Args:
        options_by_rule: thresholds by the name of the rule, as `Options` takes them; the others
            keep their defaults.
        families: all by default.
        views: some of `VIEWS`.
    """
    chosen = list(FAMILIES if families is None else families)
    by_view = verdicts(chosen, Options(**(options_by_rule or {})), views)
    return {view: score_of(chosen, by_run) for view, by_run in by_view.items()}
