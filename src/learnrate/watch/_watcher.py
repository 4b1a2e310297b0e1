"""The rules on a live run: each finding is reported once, when it is certain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._checks import check_whole
from learnrate._errors import ArgumentError
from learnrate._not_trained import not_trained_line
from learnrate._row_checks import next_check
from learnrate.watch._diagnose import Diagnosis, diagnose_reading
from learnrate.watch._observations import Observations, rows_of
from learnrate.watch._reading import Reading
from learnrate.watch._registry import Options, chosen_rules
from learnrate.watch._row_table import RowTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from learnrate.schedules import Schedule
    from learnrate.watch._finding import Finding

__all__ = ["Watcher"]

_EARLY_CHECK = 8  # rows before the early rules run for the first time
_FIRST_CHECK = 64  # rows before all rules do
_MOST_ROWS = 2**18  # beyond them every second row is left out, again and again


class Watcher:
    """Diagnoses a live run from its rows, as they are recorded.

    The rules take time in proportion to the rows so far, and run again when there are a quarter
    more, so the time per row does not depend on the length of the run. Rules that rest on the shape of
    the loss or of the rate run from the 64th row on; those that need no shape, such as that of the
    gradients of the first updates, from the 8th. Of more than 262,144 rows
    every second one is left out, so the memory is bounded too.
    Losses that are not finite are reported when the third comes in a row. Any other finding is
    reported when two runs of the rules in succession agree on it, or immediately if its rule asks for
    several measurements that agree. Each is reported once.

    Args:
        run: the name of the run.
        total_steps: the updates of the whole run as planned, if known.
        schedule: the schedule that the rate should follow, if known.
        facts: the facts, as `Observations` has them.
        options: the thresholds of the rules; their defaults if None.
        only: the codes of the rules to run; all rules by default.
        ignore: the codes of rules to leave out.

    Attributes:
        failures: the codes of the rules that failed, each with what it raised.
        not_judged: what could not be judged of the rate, and why; empty before `finish`.
        not_trained: which parts of the model were not trained when the run began; empty if none, or
            not known.

    Raises:
        ArgumentError: no rule has such a code, or `total_steps` is not a whole number of at least 1.

    Examples:
        >>> watcher = Watcher("a", total_steps=1000)
        >>> watcher.feed([0, 1], {"loss": [2.3, 2.2], "lr": [0.1, 0.1]})
        ()
        >>> findings = watcher.feed([2, 3, 4], {"loss": [float("inf")] * 3})
        >>> [finding.code for finding in findings]
        ['LR101']
    """

    def __init__(
        self,
        run: str,
        *,
        total_steps: int | None = None,
        schedule: Schedule | None = None,
        facts: Mapping[str, Any] | None = None,
        options: Options | None = None,
        only: Iterable[str] | None = None,
        ignore: Iterable[str] = (),
    ) -> None:
        if total_steps is not None:
            check_whole("Watcher", "total_steps", total_steps, 1)
        self._run, self._total_steps, self._schedule = run, total_steps, schedule
        self._facts = dict(facts or {})
        self._options = options or Options()
        self.not_judged = ""
        self.not_trained = not_trained_line(self._facts)
        self._rules = chosen_rules(only, ignore)
        self._table = RowTable(_MOST_ROWS)
        self._next_check = _EARLY_CHECK
        self._resumed_row = 0  # the row from which the present process counts
        self.failures: dict[str, str] = {}
        self._reported: set[str] = set()
        self._last_codes: set[str] = set()

    def replan(
        self, *, schedule: Schedule | None, total_steps: int | None, edits: Iterable[int]
    ) -> None:
        """Compare the run with its schedule as edited from now on.

        Args:
            schedule: the schedule with the edits, its past unchanged; None if it is not known.
            total_steps: the updates of the whole run; None if they are not known.
            edits: the steps at which edits took effect.
        """
        self._schedule, self._total_steps = schedule, total_steps
        self._facts["edits"] = list(edits)

    def resume(
        self,
        past: Sequence[int] | np.ndarray,
        columns: Mapping[str, Sequence[float] | np.ndarray],
        *,
        step: int,
        reported: Iterable[str] = (),
        resumed_at: Iterable[int] = (),
    ) -> None:
        """Take what was recorded of a run before it was resumed, without judging it again.

        Args:
            past: whole numbers of at least 0, strictly increasing, all before `step`.
            columns: a value for each step of the past, by names of `COLUMNS`.
            step: the step at which the run was resumed.
            reported: the codes of findings that were reported before.
            resumed_at: the steps of earlier resumes.

        Raises:
            ArgumentError: there are rows already, steps do not increase, or a column is unknown or
                of another length.
        """
        steps, earlier = rows_of("feed", past, columns)
        if self._table.rows:
            raise ArgumentError("resume() must come before the first feed().")
        self._reported |= set(reported)
        if not steps.size:
            return
        self._table.append(steps, earlier)
        self._facts["resumed_at"] = [resumed for resumed in resumed_at if resumed < step]
        self._resume(step)

    def resume_run(self, past: Observations, findings: Iterable[Finding], *, step: int) -> None:
        """Take what a store recorded of a run before it was resumed; see `resume`.

        Args:
            past: the recorded rows; those from `step` on do not count.
            findings: those that were reported.
            step: the step at which the run was resumed.
        """
        is_past = past.step < step
        self.resume(
            past.step[is_past],
            {name: column[is_past] for name, column in past.columns.items()},
            step=step,
            reported=[finding.code for finding in findings],
            resumed_at=past.facts.get("resumed_at", ()),
        )

    def _resume(self, step: int) -> None:
        """Note a resume, and check the rates soon after it."""
        earlier = [resumed for resumed in self._facts.get("resumed_at", ()) if resumed < step]
        self._facts["resumed_at"] = [*earlier, step]
        self._resumed_row = self._table.rows
        self._plan_check()

    def feed(
        self,
        step: Sequence[int] | np.ndarray,
        columns: Mapping[str, Sequence[float] | np.ndarray],
        facts: Mapping[str, Any] | None = None,
    ) -> tuple[Finding, ...]:
        """Add rows and return the new findings.

        Args:
            step: whole numbers of at least 0, strictly increasing. If the first is not above that
                of the last row, the run was resumed there, and the rows from that step on are
                dropped.
            columns: a value for each step, by names of `COLUMNS`; NaN where there is none, inf for
                a loss that is not finite.
            facts: facts that have become known since, such as the sharpness measured so far; each
                replaces the fact of the same name.

        Raises:
            ArgumentError: steps do not increase, or a column is unknown or of another length.
        """
        self._facts |= facts or {}
        steps, new = rows_of("feed", step, columns)
        if not steps.size:
            return ()
        if self._table.rows and steps[0] <= self._table.last_step:
            self._table.cut(int(steps[0]))
            self._resume(int(steps[0]))
        if self._table.append(steps, new):
            resumed_at = self._facts.get("resumed_at", (0,))[-1]
            self._resumed_row = int(np.searchsorted(self._table.step, resumed_at))
            self._plan_check()
        if self._table.rows < self._next_check and not self._not_finite():
            return ()
        self._plan_check()
        diagnosis = self.diagnosis(live=True)
        at_once = {rule.code for rule in self._rules if rule.at_once}
        certain = [
            finding
            for finding in diagnosis.findings
            if finding.code in self._last_codes | at_once or "not_finite_rows" in finding.evidence
        ]
        self._last_codes = set(diagnosis.codes())
        return self._report(certain)

    def _plan_check(self) -> None:
        """Plan the next run of the rules: when there are eight more rows, and a quarter more."""
        due = self._resumed_row + next_check(self._table.rows - self._resumed_row)
        if self._table.rows < _FIRST_CHECK < due:
            due = _FIRST_CHECK
        self._next_check = max(_EARLY_CHECK, due)

    def finish(self) -> tuple[Finding, ...]:
        """Judge the run as ended, and return the findings that are new."""
        diagnosis = self.diagnosis()
        self.not_judged = diagnosis.not_judged
        return self._report(diagnosis.findings)

    def diagnosis(self, *, live: bool = False) -> Diagnosis:
        """The diagnosis of all rows so far, including findings that were reported before.

        Args:
            live: whether the run is still running; by default it counts as ended.
        """
        observations = Observations(
            run=self._run,
            step=self._table.step,
            columns=self._table.columns,
            total_steps=self._total_steps,
            schedule=self._schedule,
            facts=self._facts,
        )
        is_early = live and self._table.rows < _FIRST_CHECK
        rules = [rule for rule in self._rules if rule.early or not is_early]
        diagnosis = diagnose_reading(Reading(observations, live=live), self._options, rules)
        self.failures |= diagnosis.rule_failures
        return diagnosis

    def _report(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """The findings that were not reported before, which counts as reporting them."""
        new = tuple(finding for finding in findings if finding.code not in self._reported)
        self._reported |= {finding.code for finding in new}
        return new

    def _not_finite(self) -> bool:
        """Whether the last losses are not finite and that was not reported yet."""
        columns = self._table.columns
        if "LR101" in self._reported or "loss" not in columns:
            return False
        rows = int(self._options.diverged.rows)
        loss = columns["loss"][-20 * rows :]
        last = loss[~np.isnan(loss)][-rows:]
        return last.size == rows and bool(np.isinf(last).all())
