"""The rules while a run goes on: each finding once, and only when it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import ArgumentError
from learnrate.watch._diagnose import Diagnosis, Options, chosen_rules, examined
from learnrate.watch._observations import COLUMNS, Observations
from learnrate.watch._reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from learnrate.schedules import Schedule
    from learnrate.watch._finding import Finding

__all__ = ["Watcher"]

_FIRST = 64  # rows before the first look
_GROWTH = 1.25  # and by how much the run must have grown for the next one


class Watcher:
    """Diagnoses a run while it goes on, from what it is fed.

    A look costs time that grows with the rows seen, and the next one is due when there are a
    quarter more, so that a row costs the same however long the run is.
    Losses that are not finite are looked at when the third comes in a row, and said at once. Any
    other finding is given when two looks in a row agree on it, and once in a run.

    Args:
        run: what the run is called.
        total_steps: the updates of the whole run as planned, if known.
        schedule: what the rate should follow, if known.
        facts: as `Observations` has them.
        options: the thresholds; their defaults where None.
        only: codes of the rules to run; all by default.
        ignore: codes of rules that are left out.

    Raises:
        ArgumentError: a code that no rule has.

    Examples:
        >>> watcher = Watcher("a", total_steps=1000)
        >>> watcher.feed([0, 1], {"loss": [2.3, 2.2], "lr": [0.1, 0.1]})
        ()
        >>> nan = float("nan")
        >>> [one.code for one in watcher.feed([2, 3, 4], {"loss": [float("inf")] * 3})]
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
        self._run, self._total_steps, self._schedule = run, total_steps, schedule
        self._facts = dict(facts or {})
        self._options = options or Options()
        self._rules = chosen_rules(only, ignore)
        self._step = np.empty(_FIRST, dtype=np.int64)
        self._columns: dict[str, np.ndarray] = {}
        self._rows = 0
        self._due = _FIRST
        self._said: set[str] = set()
        self._seen_before: set[str] = set()

    def replan(
        self, *, schedule: Schedule | None, total_steps: int | None, edits: Iterable[int]
    ) -> None:
        """Somebody edited the run: from now on it is compared with what was made of the schedule.

        Args:
            schedule: with the edits, its past as it was; None where it is not known.
            total_steps: the updates of the whole run.
            edits: the steps at which they took effect.
        """
        self._schedule, self._total_steps = schedule, total_steps
        self._facts["edits"] = list(edits)

    def feed(
        self,
        step: Sequence[int] | np.ndarray,
        columns: Mapping[str, Sequence[float] | np.ndarray],
        facts: Mapping[str, Any] | None = None,
    ) -> tuple[Finding, ...]:
        """Take some rows; give the findings that are new.

        Args:
            step: whole numbers, strictly increasing. Where the first one is not above the last
                row's, the run was resumed there, and rows from that step on are forgotten.
            columns: a value for each step, by names of `COLUMNS`; nan where there is none, inf for
                a loss that is not finite.
            facts: what has become known since, such as a probe's measurements of the sharpness so
                far; each stands in place of the fact of that name.

        Raises:
            ArgumentError: steps do not increase, or a column is unknown or of another length.
        """
        self._facts |= facts or {}
        steps = np.asarray(step, dtype=np.int64)
        if not steps.size:
            return ()
        held = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
        self._check(steps, held)
        if self._rows and steps[0] <= self._step[self._rows - 1]:
            self._rows = int(np.searchsorted(self._step[: self._rows], steps[0]))
            self._facts["resumed_at"] = [*self._facts.get("resumed_at", ()), int(steps[0])]
        self._append(steps, held)
        if self._rows < self._due and not self._lost():
            return ()
        self._due = max(_FIRST, int(_GROWTH * self._rows))
        diagnosis = self.diagnosis(live=True)
        found = [
            one
            for one in diagnosis.findings
            if one.code not in self._said
            and (one.code in self._seen_before or "not_finite_rows" in one.evidence)
        ]
        self._seen_before = set(diagnosis.codes())
        self._said |= {one.code for one in found}
        return tuple(found)

    def finish(self) -> tuple[Finding, ...]:
        """Say that the run is over; give the findings that are new with that."""
        found = [one for one in self.diagnosis().findings if one.code not in self._said]
        self._said |= {one.code for one in found}
        return tuple(found)

    def diagnosis(self, *, live: bool = False) -> Diagnosis:
        """What the rules say now, whether it was said before or not."""
        columns = {name: held[: self._rows] for name, held in self._columns.items()}
        observations = Observations(
            run=self._run,
            step=self._step[: self._rows],
            columns=columns,
            total_steps=self._total_steps,
            schedule=self._schedule,
            facts=self._facts,
        )
        return examined(Reading(observations, live=live), self._options, self._rules)

    def _check(self, steps: np.ndarray, held: Mapping[str, np.ndarray]) -> None:
        if steps.ndim != 1 or steps[0] < 0 or (np.diff(steps) <= 0).any():
            raise ArgumentError("feed(step=...) must be whole numbers that strictly increase.")
        for name, values in held.items():
            if name not in COLUMNS:
                raise ArgumentError(
                    f"feed(columns=...) must be among {', '.join(COLUMNS)}; got {name!r}."
                )
            if values.shape != steps.shape:
                raise ArgumentError(
                    f"feed(columns[{name!r}]) must have a value for each of the {steps.size} "
                    f"steps; got shape {values.shape}."
                )

    def _append(self, steps: np.ndarray, held: Mapping[str, np.ndarray]) -> None:
        first, last = self._rows, self._rows + steps.size
        room = self._step.size
        if last > room:
            room = max(last, 2 * room)
            self._step = np.resize(self._step, room)
            self._columns = {
                name: np.concatenate([values, np.full(room - values.size, np.nan)])
                for name, values in self._columns.items()
            }
        self._step[first:last] = steps
        for name in (*self._columns, *(one for one in held if one not in self._columns)):
            column = self._columns.setdefault(name, np.full(room, np.nan))
            column[first:last] = held.get(name, np.nan)
        self._rows = last

    def _lost(self) -> bool:
        """Whether the last losses are not finite, and that was not said yet."""
        if "LR101" in self._said or "loss" not in self._columns:
            return False
        rows = int(self._options.diverged.rows)
        loss = self._columns["loss"][max(0, self._rows - 20 * rows) : self._rows]
        late = loss[~np.isnan(loss)][-rows:]
        return late.size == rows and bool(np.isinf(late).all())
