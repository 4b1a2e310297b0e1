"""What tests found, kept as data: one JSON file a claim, with its quick and its full test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from learnrate._files import folder_for, read_json, write_json
from learnrate.claims._outcome import Outcome

if TYPE_CHECKING:
    from learnrate.claims._claim import Claim

__all__ = ["SHIPPED", "read_result", "write_result"]

SHIPPED = Path(__file__).parent / "results"
"""What the package's own tests of its claims found."""


def read_result(
    claim: Claim, folder: Path = SHIPPED, *, full: bool | None = None
) -> Outcome | None:
    """What a test of a claim found, as kept in `folder`; None where none is kept.

    Args:
        claim: whose.
        folder: where results are kept; those that come with the package by default.
        full: the full test or the quick one; by default the full one if there is one.

    Raises:
        FileError: there is one and it cannot be read.
    """
    path = folder / f"{claim.name}.json"
    if not path.exists():
        return None
    kept = read_json(path)
    for kind in ("full", "quick") if full is None else (("full",) if full else ("quick",)):
        if kind in kept:
            return Outcome.from_dict(claim, kept[kind])
    return None


def write_result(tested: Outcome, folder: Path) -> Path:
    """Keep what a test found in `folder`, beside that of the other kind; the file's path.

    Raises:
        FileError: it cannot be written, or what is there cannot be read.
    """
    path = folder_for(folder) / f"{tested.claim.name}.json"
    kept = read_json(path) if path.exists() else {}
    kept["full" if tested.full else "quick"] = tested.to_dict()
    write_json(path, kept)
    return path
