"""What a rule is: a pure function from a reading and its options to a finding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.watch._finding import Finding, Severity
    from learnrate.watch._reading import Reading

__all__ = ["Rule", "RuleOptions", "checked"]


@dataclass(frozen=True, kw_only=True)
class RuleOptions:
    """Base of the options of a rule: every threshold is a finite number of at least 0."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
                raise ArgumentError(
                    f"{type(self).__name__}({name}=...) must be a finite number of at least 0; "
                    f"got {value!r}."
                )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule: its stable code, what it says, what it needs, and how it decides.

    Attributes:
        code: its stable name, such as `LR101`.
        title: what its finding means, in a few words.
        severity: of its findings.
        needs: the columns it cannot do without.
        options: its thresholds, at their defaults.
        check: from a reading and options to what was found, or None.
        lacks: what else is missing in a reading, as a sentence; None where nothing is.
        rows: rows of its first needed column without which it says nothing.
        explains: codes whose findings on the same run follow from this one.
        shows: the columns that a picture of its finding draws.
    """

    code: str
    title: str
    severity: Severity
    needs: tuple[str, ...]
    options: RuleOptions
    check: Callable[[Reading, Any], Finding | None]
    lacks: Callable[[Reading], str | None] = lambda _: None
    rows: int = 20
    explains: frozenset[str] = frozenset()
    shows: tuple[str, ...] = ("loss",)


def checked(rule: Rule, reading: Reading, options: RuleOptions) -> Finding | str | None:
    """What a rule says: a finding, None, or why it could not run."""
    absent = [name for name in rule.needs if not reading.observations.has(name)]
    if absent:
        return f"no {' and no '.join(absent)} was recorded"
    if rule.needs:
        rows = reading.track(rule.needs[0]).value.size
        if rows < rule.rows:
            return f"only {rows} rows of {rule.needs[0]}; it takes {rule.rows}"
    lacking = rule.lacks(reading)
    return lacking if lacking is not None else rule.check(reading, options)
