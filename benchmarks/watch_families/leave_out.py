"""Thresholds chosen without the family that they are judged on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from learnrate.watch import RULES, Options

from .logs import logged_runs
from .scoring import score_of, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from learnrate.watch import Rule, RuleOptions

    from .scoring import Score, Verdict

__all__ = ["GRID", "left_out_options", "left_out_scores"]

GRID = {
    "LR101": "noise",
    "LR102": "height",
    "LR103": "back",
    "LR201": "noise",
    "LR304": "rise",
    "LR402": "falls",
}
"""The threshold that matters most of each rule that has one to choose."""

_FACTORS = (0.7, 1.0, 1.4)  # of the default
_VIEWS = ("full", "60 rows")  # the thresholds are chosen in these
_FALSE_ALARM = 5.0  # what a warned healthy run costs against a fault that is named
_OPPOSITE = 10.0  # what a run costs that is told to go the wrong way


def _candidates(rule: Rule) -> list[RuleOptions]:
    """The thresholds to choose from, the default first."""
    name = GRID.get(rule.code)
    if name is None or not hasattr(rule.options, name):
        return [rule.options]
    value = getattr(rule.options, name)
    factors = sorted(_FACTORS, key=lambda factor: factor != 1.0)
    return [replace(rule.options, **{name: factor * value}) for factor in factors]


def _worth(score: Score) -> float:
    named = sum(score.right.values())
    return named - _FALSE_ALARM * len(score.warned) - _OPPOSITE * len(score.wrong)


def left_out_options(families: Iterable[str]) -> dict[str, Options]:
    """For each family the thresholds that are best on the others.

    Each rule is chosen by itself, with the named faults of all classes, the warned healthy runs and
    the runs told the wrong way of the other families. A default stays where another is not better.

    Args:
        families: with logs.
    """
    present = [family for family in families if logged_runs(family)]
    chosen: dict[str, dict[str, RuleOptions]] = {family: {} for family in present}
    for rule in RULES:
        candidates = _candidates(rule)
        if len(candidates) == 1:
            continue
        worths = [_worth_by_family(rule, options, present) for options in candidates]
        for family in present:
            sums = [sum(worth.values()) - worth[family] for worth in worths]
            chosen[family][rule.name] = candidates[sums.index(max(sums))]
    return {family: Options(**options) for family, options in chosen.items()}


def _worth_by_family(rule: Rule, options: RuleOptions, families: list[str]) -> dict[str, float]:
    by_view = verdicts(families, Options(**{rule.name: options}), _VIEWS, [rule.code])
    return {
        family: sum(_worth(score_of([family], by_run)) for by_run in by_view.values())
        for family in families
    }


def left_out_scores(
    families: Iterable[str], views: Iterable[str]
) -> tuple[dict[str, Score], dict[str, dict[str, Score]]]:
    """Scores with each family judged under thresholds chosen without it.

    Args:
        families: with logs.
        views: some of `VIEWS`.

    Returns:
        By view, the scores of all families together; and by family, those by view.
    """
    chosen = left_out_options(families)
    pooled: dict[str, dict[str, tuple[Verdict, ...]]] = {view: {} for view in views}
    by_family: dict[str, dict[str, Score]] = {}
    for family, options in chosen.items():
        by_view = verdicts([family], options, pooled)
        by_family[family] = {view: score_of([family], by_run) for view, by_run in by_view.items()}
        for view, by_run in by_view.items():
            pooled[view] |= by_run
    return {view: score_of(chosen, by_run) for view, by_run in pooled.items()}, by_family
