"""The base of all rules: a pure function from a reading and its thresholds to a finding."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
)

from learnrate._errors import ArgumentError
from learnrate.watch._example import ExampleRun
from learnrate.watch._finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["Rule", "RuleOptions"]


@dataclass_transform(frozen_default=True, kw_only_default=True)
@dataclass(frozen=True, kw_only=True)
class RuleOptions:
    """Base of the thresholds of a rule, each a finite number of at least 0.

    Derived classes are frozen dataclasses with keyword-only fields.
    """

    def __init_subclass__(cls, **arguments: object) -> None:
        super().__init_subclass__(**arguments)
        dataclass(frozen=True, kw_only=True)(cls)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
                raise ArgumentError(
                    f"{type(self).__name__}({name}=...) must be a finite number of at least 0; "
                    f"got {value!r}."
                )


OptionsT = TypeVar("OptionsT", bound=RuleOptions)


def _snake_case(name: str) -> str:
    """The name of a class as the name of a field: `AtChance` is `at_chance`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Rule(ABC, Generic[OptionsT]):
    """A rule: its code, what its finding means, what it needs, and how it decides.

    Derive from `Rule[...]` with the class of the rule's thresholds. Its name, without `Options`, is
    that of the thresholds in `Options`; the name of the file is the code.

    Attributes:
        code: its stable code, such as `LR101`.
        name: the name of its thresholds in `Options`, such as `diverged`.
        title: what its finding means, in a few words.
        severity: the severity of its findings.
        needs: the columns that it cannot do without.
        options: its thresholds at their defaults, a frozen dataclass derived from `RuleOptions`.
        rows: the least number of rows of the first needed column with a finite value; with fewer the
            rule does not run. A rule that needs one row takes a value that is not finite, too.
        judges: what it judges, such as "a rate that is too low", if it judges it by how far the loss
            falls; it does not run if the loss says nothing about that. Empty for other rules.
        early: whether it may judge fewer than 64 rows of a live run. It may if it rests on facts
            and measurements: the shape of a loss or of a schedule shows later.
        at_once: whether a live finding is reported at the first check that has it, because the rule
            itself asks for several measurements that agree; others must hold at two checks.
        spacing: the most updates from one row to the next, if it judges single updates.
        explains: codes whose findings on the same run follow from this one.
        remedies: codes of findings that stay, because they are certain, and have this one's remedy,
            because it is their likely cause.
        shows: the columns that a picture of the finding draws.

    Raises:
        TypeError: the code is not `LR` and three digits, or the thresholds are missing.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[Severity]
    options: ClassVar[RuleOptions]
    needs: ClassVar[tuple[str, ...]] = ()
    rows: ClassVar[int] = 20
    judges: ClassVar[str] = ""
    early: ClassVar[bool] = False
    at_once: ClassVar[bool] = False
    spacing: ClassVar[float] = math.inf
    explains: ClassVar[frozenset[str]] = frozenset()
    remedies: ClassVar[frozenset[str]] = frozenset()
    shows: ClassVar[tuple[str, ...]] = ("loss",)

    def __init_subclass__(cls, **arguments: object) -> None:
        super().__init_subclass__(**arguments)
        if not hasattr(cls, "code"):
            cls.code = cls.__module__.rpartition(".")[2].upper()
        if not re.fullmatch(r"LR\d{3}", cls.code):
            raise TypeError(
                f"{cls.__name__}.code, or the name of its file, must be LR and three digits; "
                f"got {cls.code!r}."
            )
        for base in cls.__dict__.get("__orig_bases__", ()):
            if get_origin(base) is Rule:
                (thresholds,) = get_args(base)
                cls.options = thresholds()
                cls.name = _snake_case(thresholds.__name__.removesuffix("Options"))
        if not isinstance(getattr(cls, "options", None), RuleOptions):
            raise TypeError(
                f"rule {cls.code}: its class must derive from Rule[...], with the class of its "
                f"thresholds, a dataclass derived from RuleOptions."
            )

    @abstractmethod
    def check(self, reading: Reading, options: OptionsT) -> Finding | None:
        """The finding in a run, or None.

        Args:
            reading: the run; it has what the rule needs.
            options: the thresholds of this rule.
        """

    @abstractmethod
    def example(self, run: ExampleRun) -> Observations:
        """Make, of a healthy run, one in which this rule and no other finds something.

        It is drawn on the page of the finding.
        """

    def lacks(self, reading: Reading) -> str | None:
        """A sentence on other data that are missing in a reading; None if nothing is missing."""
        return None

    def example_run(self) -> Observations:
        """A run in which this rule and no other finds something."""
        return self.example(ExampleRun())

    def finding(
        self,
        *,
        step: int | None,
        message: str,
        evidence: Mapping[str, Any],
        remedy: str,
        severity: Severity | None = None,
    ) -> Finding:
        """A finding of this rule.

        Args:
            step: the update from which it is true; None if it concerns the run as a whole.
            message: what is wrong, in one sentence with its figures.
            evidence: the numbers and steps that it rests on, as JSON values by name.
            remedy: what to do next, in one sentence.
            severity: the rule's by default.
        """
        return Finding(
            code=self.code,
            severity=severity or self.severity,
            step=step,
            message=message,
            evidence=evidence,
            remedy=remedy,
        )

    def apply(self, reading: Reading, options: OptionsT) -> Finding | str | None:
        """The finding in a run, None if there is none, or a sentence why the rule cannot run.

        Args:
            reading: the run.
            options: the thresholds of this rule.
        """
        missing = [name for name in self.needs if not reading.observations.has(name)]
        if missing:
            return f"no {' and no '.join(missing)} was recorded"
        if self.needs:
            track = reading.track(self.needs[0])
            rows = (track if self.rows == 1 else track.finite()).value.size
            if rows < self.rows:
                rows_text = f"{rows} row" if rows == 1 else f"{rows} rows"
                return f"only {rows_text} of {self.needs[0]}; at least {self.rows} are needed"
        if reading.spacing > self.spacing:
            return (
                f"rows are {reading.spacing:g} updates apart, and single updates must be recorded"
            )
        if self.judges and reading.why_not_judged is not None:
            return reading.why_not_judged
        lacking = self.lacks(reading)
        return lacking if lacking is not None else self.check(reading, options)
