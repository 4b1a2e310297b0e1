"""The result of a probe: numbers, their meaning in words, and their cost."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from learnrate._records import to_dict

__all__ = ["ProbeResult"]


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """The result of a probe.

    Attributes:
        cost: gradient evaluations, each a forward and a backward pass. A forward pass alone counts
            as a third, a Hessian-vector product as two.
        seconds: how long the probe took.
    """

    kind: ClassVar[str]

    cost: float
    seconds: float

    @property
    def words(self) -> str:
        """The meaning of the numbers, in words; each kind of result defines it.

        Raises:
            NotImplementedError: a kind of result has no words.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The numbers and the words as JSON values; None for a number that is not finite."""
        hidden = [field.name for field in fields(self) if not field.repr]
        return {"probe": self.kind, **to_dict(self, omit=hidden), "words": self.words}

    def to_json(self) -> str:
        """The dictionary of `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def __str__(self) -> str:
        return self.words
