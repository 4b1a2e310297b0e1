"""Thresholds chosen without the family that they are judged on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.watch import RULES, Finding, Options

from .labels import label_of
from .logs import logged_runs
from .memo import Memo
from .scoring import Score, decays_on_resume, judged_runs, score_of, verdict_of, verdicts
from .views import reading_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from learnrate.watch import Rule, RuleOptions

    from .scoring import Verdict

__all__ = ["GRID", "left_out_options", "left_out_scores"]

GRID = {
    "LR101": "noise",
    "LR102": "height",
    "LR103": "rise",
    "LR107": "multiple",
    "LR108": "share",
    "LR109": "growth",
    "LR201": "noise",
    "LR204": "multiple",
    "LR304": "rise",
    "LR402": "below",
}
"""The threshold that matters most of each rule that has one to choose."""

_FACTORS = (0.7, 1.0, 1.4)  # of the default
_VIEWS = ("live", "full", "60 rows")  # the thresholds are chosen in these
_FALSE_ALARM = 5.0  # of a healthy run that is warned or told to change its rate, in named faults
_OPPOSITE = 10.0  # what a run costs that is told to go the wrong way


def _candidates(rule: Rule[Any]) -> list[RuleOptions]:
    """The thresholds to choose from, the default first."""
    name = GRID.get(rule.code)
    if name is None:
        return [rule.options]
    value = getattr(rule.options, name)
    factors = sorted(_FACTORS, key=lambda factor: factor != 1.0)
    return [replace(rule.options, **{name: factor * value}) for factor in factors]


def _worth(score: Score) -> float:
    named = sum(score.right.values())
    alarmed = score.warned.keys() | score.advised.keys()
    return named - _FALSE_ALARM * len(alarmed) - _OPPOSITE * len(score.wrong)


def left_out_options(families: Iterable[str]) -> dict[str, Options]:
    """For each family the thresholds that are best on the others.

    Each rule is chosen by itself, with the named faults of all classes, the warned healthy runs and
    the runs told the wrong way of the other families. A default stays where another is not better.

    Args:
        families: with logs.
    """
    present = [family for family in families if logged_runs(family)]
    worths = {family: _worths(family) for family in present}
    chosen: dict[str, dict[str, RuleOptions]] = {family: {} for family in present}
    for rule in RULES:
        candidates = _candidates(rule)
        for family in present if len(candidates) > 1 else []:
            others = [worths[other][rule.code] for other in present if other != family]
            sums = np.sum(others, axis=0) if others else np.zeros(len(candidates))
            chosen[family][rule.name] = candidates[int(np.argmax(sums))]
    return {family: Options(**options) for family, options in chosen.items()}


def _worths(family: str) -> dict[str, list[float]]:
    """The score of each candidate threshold on a family, by the code of its rule."""
    scores = {rule.code: [Score() for _ in _candidates(rule)] for rule in RULES}
    for view in _VIEWS:
        memo = Memo(family, view)
        for run in judged_runs(family):
            reading, label = reading_of(run, view), label_of(run)
            for rule in RULES if not decays_on_resume(run) else ():
                candidates = _candidates(rule)
                for options, score in zip(candidates, scores[rule.code], strict=True):
                    answer = memo.answer(rule, reading, options) if len(candidates) > 1 else None
                    run_verdicts = [verdict_of(answer)] if isinstance(answer, Finding) else []
                    score.add(run, label, run_verdicts)
        memo.save()
    return {code: [_worth(score) for score in row] for code, row in scores.items()}


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
