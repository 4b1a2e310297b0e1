"""All rules on a run: the findings, which of them follow from others, and which rules could not run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._checks import refuse
from learnrate._not_trained import not_trained_line
from learnrate._records import from_dict
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._observations import Observations
from learnrate.watch._reading import Reading
from learnrate.watch._registry import RULES, Options, chosen_rules
from learnrate.watch._unit import counted_in, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from learnrate.watch._rule import Rule

__all__ = ["Diagnosis", "diagnose", "diagnose_reading"]

_RULE_FAILED = "the rule failed with"  # how the reason of a rule that failed begins

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.ADVICE: 2}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The findings in a run.

    Attributes:
        run: the name of the run.
        findings: one for each cause, the most severe first.
        explained: the codes that were found as well, each with the code that it follows from.
        not_run: the codes of the rules that could not run or failed, each with the reason.
        not_judged: what could not be judged of the rate, and why, in one line; empty if nothing.
        not_trained: which parts of the model were not trained when the run began, in one line; empty if
            none, or if that was not recorded.
        reported_live: findings that were reported while the run was live and that its whole record does not
            show; they say what was true then.
    """

    run: str
    findings: tuple[Finding, ...]
    explained: Mapping[str, str] = field(default_factory=dict)
    not_run: Mapping[str, str] = field(default_factory=dict)
    not_judged: str = ""
    not_trained: str = ""
    reported_live: tuple[Finding, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether a finding is an error."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def rule_failures(self) -> dict[str, str]:
        """The codes in `not_run` of the rules that failed, each with what it raised."""
        return {
            code: reason
            for code, reason in self.not_run.items()
            if reason.startswith(_RULE_FAILED)
        }

    def codes(self) -> list[str]:
        """The codes of the findings, the most severe first."""
        return [finding.code for finding in self.findings]

    def to_list(self) -> list[dict[str, Any]]:
        """The findings as JSON values, each with its run.

        Those of `reported_live` follow, with `reported_live` true. If there are none, and something could not
        be judged, a row of the severity "info" says so. Another one names what is not trained.
        """
        rows = [{"run": self.run} | finding.to_dict() for finding in self.findings]
        rows += [
            {"run": self.run} | finding.to_dict() | {"reported_live": True}
            for finding in self.reported_live
        ]
        if not rows and self.not_judged:
            rows.append(self._remark_row("not judged", self.not_judged))
        if self.not_trained:
            rows.append(self._remark_row("not trained", self.not_trained))
        return rows

    def _remark_row(self, code: str, message: str) -> dict[str, Any]:
        """A row of `to_list` for a remark that is not a finding."""
        row = {"run": self.run, "code": code, "severity": "info", "step": None}
        return row | {"message": message, "evidence": {}, "remedy": ""}


def diagnose(
    observations: Observations,
    options: Options | None = None,
    *,
    only: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
) -> Diagnosis:
    """Say in words what is wrong with the learning rate of a recorded run.

    Args:
        observations: what was recorded.
        options: the thresholds of the rules; their defaults if None.
        only: the codes of the rules to run; all rules by default.
        ignore: the codes of rules to leave out.

    Raises:
        ArgumentError: no rule has such a code, or these are not observations.

    Examples:
        >>> import numpy as np
        >>> from learnrate.watch import Observations
        >>> steps = np.arange(200)
        >>> columns = {"loss": 2.0 * np.exp(-steps / 30) + 0.1, "lr": np.full(200, 0.1)}
        >>> diagnosis = diagnose(Observations(run="a", step=steps, columns=columns))
        >>> diagnosis.codes(), diagnosis.not_run["LR401"]
        (['LR302'], 'no validation was recorded')
    """
    argument: object = observations
    if not isinstance(argument, Observations):
        way_out = "Read a log with learnrate.watch.readers.read_runs(path)."
        refuse("diagnose", "observations", "learnrate.Observations", argument, way_out)
    rules = chosen_rules(only, ignore)
    return diagnose_reading(Reading(observations), options or Options(), rules)


def diagnose_reading(
    reading: Reading, options: Options, rules: Iterable[Rule[Any]] = RULES
) -> Diagnosis:
    """The diagnosis of a run that has been read.

    Args:
        reading: the run.
        options: the thresholds of the rules.
        rules: the rules to run, in the order of their codes.
    """
    findings: dict[str, Finding] = {}
    not_run: dict[str, str] = {}
    explains: dict[str, frozenset[str]] = {}
    rules = tuple(rules)
    with np.errstate(all="ignore"):
        results = [(rule, _result(rule, reading, options)) for rule in rules]
    for rule, result in results:
        if isinstance(result, str):
            not_run[rule.code] = result
        elif result is not None:
            findings[rule.code] = result
            explains[rule.code] = rule.explains
    for rule in rules:
        if rule.code in findings:
            remedy = findings[rule.code].remedy
            for code in rule.remedies & findings.keys():
                findings[code] = replace(findings[code], remedy=remedy)
    explained = {code: cause for code in findings for cause in explains if code in explains[cause]}
    causes = [finding for code, finding in findings.items() if code not in explained]
    return Diagnosis(
        run=reading.observations.run,
        findings=tuple(
            sorted(causes, key=lambda finding: (_ORDER[finding.severity], finding.code))
        ),
        explained=explained,
        not_run=not_run,
        not_judged=_not_judged(rules, not_run),
        not_trained=not_trained_line(reading.facts),
        reported_live=_reported_live(reading, {rule.code for rule in rules}, findings),
    )


def _reported_live(
    reading: Reading, rule_codes: set[str], findings: Mapping[str, Finding]
) -> tuple[Finding, ...]:
    """The findings that were reported while the run was live, without the findings of the whole record.

    Args:
        reading: the run.
        rule_codes: the codes of the rules that were asked. Probes have codes without a rule; theirs are
            left out if a rule is.
        findings: the findings of the whole record, by their codes.
    """
    rules = {rule.code for rule in RULES}
    reported = [
        from_dict(Finding, document) for document in reading.facts.get("reported_live", ())
    ]
    return tuple(
        finding
        for finding in reported
        if finding.code not in findings
        and (finding.code in rule_codes or (rule_codes == rules and finding.code not in rules))
    )


def _result(rule: Rule[Any], reading: Reading, options: Options) -> Finding | str | None:
    """The finding of a rule, or a sentence if the rule fails, so that the others still run."""
    try:
        result = rule.apply(reading, options.of(rule))
    except Exception as error:  # noqa: BLE001 - whatever a rule raises concerns that rule alone
        return f"{_RULE_FAILED} {type(error).__name__}: {error}; please report it"
    unit = unit_of(reading.facts)
    if result is None or unit == "step":
        return result
    if isinstance(result, str):
        return counted_in(unit, result)
    message, remedy = counted_in(unit, result.message), counted_in(unit, result.remedy)
    return replace(result, message=message, remedy=remedy)


def _not_judged(rules: Iterable[Rule[Any]], not_run: Mapping[str, str]) -> str:
    """The rules that could not judge the rate by the loss, grouped by their reasons."""
    judged: dict[str, list[str]] = {}
    for rule in rules:
        reason = not_run.get(rule.code)
        if rule.judges and reason is not None and set(rule.needs) <= {"loss", "lr"}:
            judged.setdefault(reason, []).append(rule.judges)
    if not judged:
        return ""
    parts = [f"{', '.join(names)} ({reason})" for reason, names in judged.items()]
    return f"Not judged: {', '.join(parts)}."
