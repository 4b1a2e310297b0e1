"""The list of claims: one for each file of this package."""

from __future__ import annotations

import difflib
from dataclasses import replace
from functools import cache

from learnrate import claims as package
from learnrate._discovery import discover
from learnrate._errors import ArgumentError
from learnrate.claims._claim import TOPICS, Claim

__all__ = ["claim_named", "claims"]


@cache
def claims() -> tuple[Claim, ...]:
    """All claims, by topic and then by name.

    Examples:
        >>> "adam-3e-4" in [claim.name for claim in claims()]
        True
    """
    listed = [
        replace(claim, name=module.replace("_", "-"))
        for module, claim in discover(package, "CLAIM", Claim).items()
    ]
    return tuple(sorted(listed, key=lambda claim: (TOPICS.index(claim.topic), claim.name)))


def claim_named(name: str) -> Claim:
    """The claim with this name.

    Raises:
        ArgumentError: there is none; the message suggests the closest names.
    """
    known = {claim.name: claim for claim in claims()}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise ArgumentError(
            f"NAME must be one of the {len(known)} claims that `learnrate claims` lists; "
            f"got {name!r}.{hint}"
        )
    return known[name]
