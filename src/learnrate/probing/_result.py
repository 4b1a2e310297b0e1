"""What every probe gives: numbers, what they mean in words, and what they cost."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, ClassVar

from learnrate._files import json_value

__all__ = ["Result"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What every probe gives.

    Attributes:
        cost: gradient evaluations it took, a forward and a backward pass each; a forward pass
            alone counts as a third, a Hessian-vector product as two.
        seconds: it took.
    """

    kind: ClassVar[str]

    cost: float
    seconds: float

    @property
    def words(self) -> str:
        """What the numbers mean."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values, words included; None for a number that is not finite."""
        held = {one.name: getattr(self, one.name) for one in fields(self) if one.repr}
        return {"probe": self.kind, **_plain(held), "words": self.words}

    def to_json(self) -> str:
        """The result as one JSON object."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def __str__(self) -> str:
        return self.words


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name.lower()
    if hasattr(value, "__dataclass_fields__"):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return json_value(value)
