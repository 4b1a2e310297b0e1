"""A finding: what is wrong with a learning rate, the evidence, and what to do."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - cattrs evaluates the annotation
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from learnrate._records import to_dict

__all__ = ["Finding", "Severity"]


class Severity(StrEnum):
    """How much a finding matters: an error is certain, advice is only likely."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A verdict on a run in words.

    Attributes:
        code: the stable code of the rule, such as `LR101`; it has a page in the docs.
        severity: how much it matters.
        step: the update from which it is true; None if it concerns the run as a whole.
        message: what is wrong, in one sentence with its figures.
        evidence: the numbers and steps that it rests on, as JSON values by name.
        remedy: what to do next, in one sentence.
    """

    code: str
    severity: Severity
    step: int | None
    message: str
    evidence: Mapping[str, Any]
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON values; numbers of the evidence that are not finite become None."""
        return to_dict(self)
