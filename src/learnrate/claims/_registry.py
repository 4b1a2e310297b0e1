"""Every claim there is: one file of this folder each."""

from __future__ import annotations

import difflib
import pkgutil
from functools import cache
from importlib import import_module

from learnrate import claims as room
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
    files = [one.name for one in pkgutil.iter_modules(room.__path__) if one.name[0] != "_"]
    found: list[Claim] = [import_module(f"{room.__name__}.{file}").CLAIM for file in files]
    return tuple(sorted(found, key=lambda claim: (TOPICS.index(claim.topic), claim.name)))


def claim_named(name: str) -> Claim:
    """The claim of this name.

    Raises:
        ArgumentError: there is none; the message names the nearest.
    """
    known = {claim.name: claim for claim in claims()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ArgumentError(
            f"NAME must be one of the {len(known)} claims that `learnrate claims` lists; "
            f"got {name!r}.{hint}"
        )
    return known[name]
