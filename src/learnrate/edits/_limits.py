"""Limits: the bounds that edits of a run must respect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from learnrate._checks import check_finite, refuse
from learnrate._errors import ArgumentError
from learnrate._records import to_dict
from learnrate.edits._edit import RATE_KINDS, Edit

if TYPE_CHECKING:
    from learnrate.edits._edited import Edited

__all__ = ["AUTOMATIC", "Limits"]

AUTOMATIC = "guard"
"""The author of the guard's edits. No limits apply to it."""

_SLACK = 1.0 + 1e-12  # a bound that is met exactly is not exceeded by rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds for the edits that people make; an edit beyond them is refused with the reason.

    Attributes:
        highest: no edit may lead to a rate above it, at its step or later; None for no bound.
        factor: the largest factor by which one edit may change the rate of its step, up or down: 2
            allows half to double. None for no bound.
        authors: the people who may edit; None for everybody. Names of authors are not verified:
            anybody who can write to the store can edit.

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
            check_finite("Limits", "highest", self.highest, 0.0)
            object.__setattr__(self, "highest", float(self.highest))
        if self.factor is not None:
            check_finite("Limits", "factor", self.factor, 1.0)
            object.__setattr__(self, "factor", float(self.factor))
        if self.authors is None:
            return
        names: Any = self.authors
        if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
            refuse("Limits", "authors", "names", names)
        object.__setattr__(self, "authors", tuple(names))

    @classmethod
    def of(cls, limits: Limits | Mapping[str, Any] | None) -> Limits:
        """Limits from their JSON values; `Limits` are returned as they are.

        Raises:
            ArgumentError: a name is unknown, or a value is outside its rule.
        """
        if isinstance(limits, Limits):
            return limits
        mapping: object = limits
        if not isinstance(mapping, Mapping | None):
            rule = "learnrate.edits.Limits, or the same as a mapping, such as {'highest': 0.1}"
            refuse("attach", "limits", rule, mapping)
        known = [field.name for field in fields(cls)]
        for name in limits or {}:
            if name not in known:
                refuse("attach", "limits", f"of {', '.join(known)}", name)
        return cls(**(limits or {}))

    def to_dict(self) -> dict[str, Any]:
        """The bounds that are set, as JSON values."""
        return {name: bound for name, bound in to_dict(self).items() if bound is not None}

    def check(self, edit: Edit, before: Edited, after: Edited) -> None:
        """Refuse an edit that exceeds the bounds.

        Args:
            edit: the edit with its step.
            before: the schedule without the edit.
            after: the schedule with the edit.

        Raises:
            ArgumentError: the edit exceeds a bound; the message says which.
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
            peak = after.highest_rate(step) * scale
            peak_before = before.highest_rate(step) * scale
            if peak > self.highest * _SLACK and peak > peak_before * _SLACK:
                raise ArgumentError(
                    f"'{edit.words}' would lead to the rate {peak:.3g}; this run allows "
                    f"{self.highest:g} at most."
                )

    def check_author(self, author: str) -> None:
        """Refuse an author who may not edit.

        Raises:
            ArgumentError: `authors` does not name the author.
        """
        if self.authors is not None and author not in {*self.authors, AUTOMATIC}:
            allowed = ", ".join(self.authors) or "nobody"
            raise ArgumentError(f"{author} may not edit this run; its limits allow {allowed}.")

    def _check_factor(self, before: tuple[float, ...], after: tuple[float, ...]) -> None:
        assert self.factor is not None  # noqa: S101 - the caller checked it
        for old, new in zip(before, after, strict=False):
            if old == new:
                continue
            low, high = sorted((abs(old), abs(new)))
            if low == 0 or high / low > self.factor * _SLACK:
                raise ArgumentError(
                    f"the rate would go from {old:.3g} to {new:.3g} in one edit; this run allows a "
                    f"factor of {self.factor:g} per edit."
                )


def _absolute(edited: Edited) -> bool:
    return any(edited.group(group).absolute for group in range(len(edited.ratios)))


def _rates(edited: Edited, step: int, before: tuple[float, ...]) -> tuple[float, ...]:
    """The rate of each group with the edits; `before` are the rates of an external scheduler."""
    if edited.base is not None:
        return edited.rates(step)
    return tuple(
        edited.group(group).schedule(step)
        * (ratio if edited.group(group).absolute else before[group])
        for group, ratio in enumerate(edited.ratios)
    )
