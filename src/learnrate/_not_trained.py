"""The sentence on the parts of a model that are not trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["not_trained_line"]


def not_trained_line(facts: Mapping[str, Any]) -> str:
    """Which parts of the model were not trained when the run began; empty if none, or not known.

    Args:
        facts: the facts of the run, of which `not_trained` names the parts.

    Examples:
        >>> not_trained_line({"not_trained": "features.* (91 % of the weights)"})
        'Not trained when the run began: features.* (91 % of the weights).'
    """
    parts = facts.get("not_trained")
    return f"Not trained when the run began: {parts}." if isinstance(parts, str) and parts else ""
