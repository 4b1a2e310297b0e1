"""The unit that the steps of a log count, and sentences that name it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["counted_in", "unit_of"]

_UNITS = ("epoch", "row")
_POSITION = re.compile(r"\b([Ss])tep(?= (?:about )?\d)")
_DURATION = re.compile(r"(?<=\d )(?:update|step)(?=s?\b)")


def unit_of(facts: Mapping[str, Any]) -> str:
    """The unit of the steps of a run: `step`, or `epoch` or `row` if its log has no steps.

    Args:
        facts: the facts of the run; `step_unit` names what a log counts.

    Examples:
        >>> unit_of({}), unit_of({"step_unit": "epoch"})
        ('step', 'epoch')
    """
    unit = facts.get("step_unit")
    return unit if isinstance(unit, str) and unit in _UNITS else "step"


def counted_in(unit: str, sentence: str) -> str:
    """A sentence about steps and updates, with the numbers in another unit.

    Args:
        unit: as `unit_of` returns it.
        sentence: which counts steps and updates.

    Examples:
        >>> counted_in("epoch", "It rose from step 3 to step 9, in 6 updates.")
        'It rose from epoch 3 to epoch 9, in 6 epochs.'
    """
    if unit == "step":
        return sentence
    renamed = _POSITION.sub(lambda word: unit.capitalize() if word[1] == "S" else unit, sentence)
    return _DURATION.sub(unit, renamed)
