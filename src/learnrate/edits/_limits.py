"""Limits: what edits of a run may not exceed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError
from learnrate._record import finite, refuse
from learnrate.edits._edit import RATE_KINDS, Edit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from learnrate.edits._edited import Edited

__all__ = ["AUTOMATIC", "Limits"]

AUTOMATIC = "guard"
"""The author of the guard's edits. It is nobody's login, and every run that has one lets it in."""

_SLACK = 1.0 + 1e-12  # a bound that is met exactly is not exceeded by rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What people's edits of a run may not exceed; an edit beyond is refused with the reason.

    Attributes:
        highest: no edit may lead to a rate above it, then or later; None for no bound.
        factor: the most by which one edit may change the rate of its step, up or down: 2 allows
            half to double. None for no bound.
        authors: who may edit; None for everybody. An author is who someone says to be: whoever can
            write to the store can edit.

    Raises:
        ArgumentError: a bound outside its rule.

    Examples:
        >>> Limits(highest=1e-2, factor=4).to_dict()
        {'highest': 0.01, 'factor': 4.0}
    """

    highest: float | None = None
    factor: float | None = None
    authors: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.highest is not None:
            finite("Limits", "highest", self.highest, 0.0)
            object.__setattr__(self, "highest", float(self.highest))
        if self.factor is not None:
            finite("Limits", "factor", self.factor, 1.0)
            object.__setattr__(self, "factor", float(self.factor))
        if self.authors is None:
            return
        names: Any = self.authors
        if isinstance(names, str) or not all(isinstance(one, str) and one for one in names):
            refuse("Limits", "authors", "names", names)
        object.__setattr__(self, "authors", tuple(names))

    @classmethod
    def of(cls, given: Limits | Mapping[str, Any] | None) -> Limits:
        """The limits themselves, or from JSON values by name.

        Raises:
            ArgumentError: a name or a value is none of theirs.
        """
        if isinstance(given, Limits):
            return given
        known = [field.name for field in fields(cls)]
        for name in given or {}:
            if name not in known:
                refuse("attach", "limits", f"of {', '.join(known)}", name)
        return cls(**(given or {}))

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, without bounds that are not there."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
            if value is not None
        }

    def check(self, edit: Edit, before: Edited, after: Edited) -> None:
        """Refuse an edit that exceeds them.

        Args:
            edit: with its step.
            before: the schedule without it.
            after: the schedule with it.

        Raises:
            ArgumentError: it does; the message says which bound.
        """
        self.check_author(edit.author)
        step = edit.step
        if edit.kind not in RATE_KINDS or step is None or edit.author == AUTOMATIC:
            return
        rates = before.rates(step) if before.base is not None else edit.before
        scale = 1.0 if before.base is not None or _absolute(after) else max(rates, default=1.0)
        if self.factor is not None:
            self._check_factor(rates, _rates(after, step, rates))
        if self.highest is not None:
            peak, was = after.highest(step) * scale, before.highest(step) * scale
            if peak > self.highest * _SLACK and peak > was * _SLACK:
                raise ArgumentError(
                    f"'{edit.words}' would lead to the rate {peak:.3g}; this run allows "
                    f"{self.highest:g} at most."
                )

    def check_author(self, author: str) -> None:
        """Refuse who may not edit.

        Raises:
            ArgumentError: they may not.
        """
        if self.authors is not None and author not in {*self.authors, AUTOMATIC}:
            named = ", ".join(self.authors) or "nobody"
            raise ArgumentError(f"{author} may not edit this run; its limits name {named}.")

    def _check_factor(self, before: tuple[float, ...], after: tuple[float, ...]) -> None:
        assert self.factor is not None  # noqa: S101 - asked before
        for old, new in zip(before, after, strict=False):
            if old == new:
                continue
            low, high = sorted((abs(old), abs(new)))
            if low == 0 or high / low > self.factor * _SLACK:
                raise ArgumentError(
                    f"the rate would go from {old:.3g} to {new:.3g} at once; this run allows a "
                    f"factor of {self.factor:g} per edit."
                )


def _absolute(edited: Edited) -> bool:
    return any(edited.course(group).absolute for group in range(len(edited.ratios)))


def _rates(edited: Edited, step: int, before: tuple[float, ...]) -> tuple[float, ...]:
    """Each group's rate with the edits; `before` is what a foreign scheduler's edit found."""
    if edited.base is not None:
        return edited.rates(step)
    return tuple(
        edited.course(group).schedule(step)
        * (ratio if edited.course(group).absolute else before[group])
        for group, ratio in enumerate(edited.ratios)
    )
