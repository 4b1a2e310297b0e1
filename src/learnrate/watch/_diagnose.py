"""All rules over a run: what was found, what follows from it, and which rules could not run."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError
from learnrate.watch import _applied, _course, _data, _limits, _schedule, _too_high, _too_low
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._reading import Reading
from learnrate.watch._rule import Rule, checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from learnrate.watch._observations import Observations

__all__ = ["RULES", "Diagnosis", "Options", "diagnose", "examined"]

RULES: tuple[Rule, ...] = (
    _too_high.DIVERGED,
    _too_high.SPIKES,
    _too_high.OSCILLATING,
    _limits.BEYOND_EDGE,
    _limits.CLIPPED,
    _too_low.TOO_SLOW,
    _too_low.NOT_LEARNING,
    _schedule.PLATEAU,
    _schedule.NEVER_DECAYED,
    _schedule.ENDED_EARLY,
    _schedule.NO_WARMUP,
    _course.JUMPED,
    _course.CLIMBED,
    _applied.WRONG_CLOCK,
    _applied.NOT_APPLIED,
    _data.OVERFITTING,
    _data.AT_CHANCE,
)
"""Every rule, in the order of their codes."""

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.ADVICE: 2}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The thresholds of all rules, a record a rule, each documented there.

    Examples:
        >>> Options(too_slow=_too_low.TooSlowOptions(second_half=0.4)).too_slow.second_half
        0.4
    """

    diverged: _too_high.DivergedOptions = field(default_factory=_too_high.DivergedOptions)
    spikes: _too_high.SpikesOptions = field(default_factory=_too_high.SpikesOptions)
    oscillating: _too_high.OscillatingOptions = field(default_factory=_too_high.OscillatingOptions)
    beyond_edge: _limits.BeyondEdgeOptions = field(default_factory=_limits.BeyondEdgeOptions)
    clipped: _limits.ClippedOptions = field(default_factory=_limits.ClippedOptions)
    too_slow: _too_low.TooSlowOptions = field(default_factory=_too_low.TooSlowOptions)
    not_learning: _too_low.NotLearningOptions = field(default_factory=_too_low.NotLearningOptions)
    plateau: _schedule.PlateauOptions = field(default_factory=_schedule.PlateauOptions)
    never_decayed: _schedule.NeverDecayedOptions = field(
        default_factory=_schedule.NeverDecayedOptions
    )
    ended_early: _schedule.EndedEarlyOptions = field(default_factory=_schedule.EndedEarlyOptions)
    no_warmup: _schedule.NoWarmupOptions = field(default_factory=_schedule.NoWarmupOptions)
    jumped: _course.JumpedOptions = field(default_factory=_course.JumpedOptions)
    climbed: _course.ClimbedOptions = field(default_factory=_course.ClimbedOptions)
    wrong_clock: _applied.WrongClockOptions = field(default_factory=_applied.WrongClockOptions)
    not_applied: _applied.NotAppliedOptions = field(default_factory=_applied.NotAppliedOptions)
    overfitting: _data.OverfittingOptions = field(default_factory=_data.OverfittingOptions)
    at_chance: _data.AtChanceOptions = field(default_factory=_data.AtChanceOptions)

    def of(self, rule: Rule) -> Any:
        """The options of one rule: the record of the type that it takes."""
        return next(
            held
            for held in (getattr(self, one.name) for one in fields(self))
            if type(held) is type(rule.options)
        )


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What the rules say of a run.

    Attributes:
        run: what the run is called.
        findings: one a cause, the gravest first.
        explained: codes that were true as well, each with the code it follows from.
        not_run: codes of rules that could not run, each with the reason.
    """

    run: str
    findings: tuple[Finding, ...]
    explained: Mapping[str, str] = field(default_factory=dict)
    not_run: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether a finding is an error."""
        return any(one.severity is Severity.ERROR for one in self.findings)

    def codes(self) -> list[str]:
        """The codes of the findings."""
        return [one.code for one in self.findings]

    def to_list(self) -> list[dict[str, Any]]:
        """The findings as JSON values, each with its run."""
        return [{"run": self.run} | one.to_dict() for one in self.findings]


def diagnose(
    observations: Observations,
    options: Options | None = None,
    *,
    only: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
) -> Diagnosis:
    """Say in words what is wrong with the rate of a recorded run.

    Args:
        observations: what was recorded.
        options: the thresholds; their defaults where None.
        only: codes of the rules to run; all by default.
        ignore: codes of rules that are left out.

    Raises:
        ArgumentError: a code that no rule has.

    Examples:
        >>> import numpy as np
        >>> from learnrate.watch import Observations
        >>> steps = np.arange(200)
        >>> columns = {"loss": 2.0 * np.exp(-steps / 30) + 0.1, "lr": np.full(200, 0.1)}
        >>> said = diagnose(Observations(run="a", step=steps, columns=columns))
        >>> said.codes(), said.not_run["LR401"]
        (['LR302'], 'no validation was recorded')
    """
    chosen = chosen_rules(only, ignore)
    return examined(Reading(observations), options or Options(), chosen)


def chosen_rules(only: Iterable[str] | None, ignore: Iterable[str]) -> tuple[Rule, ...]:
    """The rules with these codes.

    Raises:
        ArgumentError: a code that no rule has.
    """
    known = {rule.code for rule in RULES}
    wanted = known if only is None else set(only)
    left_out = set(ignore)
    for code in sorted((wanted | left_out) - known):
        raise ArgumentError(
            f"no rule has the code {code!r}; there are {', '.join(sorted(known))}."
        )
    return tuple(rule for rule in RULES if rule.code in wanted - left_out)


def examined(reading: Reading, options: Options, rules: Iterable[Rule] = RULES) -> Diagnosis:
    """What rules say of a reading; a finding that follows from another is named, not repeated."""
    found: dict[str, Finding] = {}
    not_run: dict[str, str] = {}
    explains: dict[str, frozenset[str]] = {}
    for rule in rules:
        said = checked(rule, reading, options.of(rule))
        if isinstance(said, str):
            not_run[rule.code] = said
        elif said is not None:
            found[rule.code] = said
            explains[rule.code] = rule.explains
    explained = {code: cause for code in found for cause in explains if code in explains[cause]}
    left = [one for code, one in found.items() if code not in explained]
    return Diagnosis(
        run=reading.observations.run,
        findings=tuple(sorted(left, key=lambda one: (_ORDER[one.severity], one.code))),
        explained=explained,
        not_run=not_run,
    )
