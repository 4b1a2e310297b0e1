"""Verdicts that were reached before: under the same rules, thresholds and logs they are the same."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import learnrate

from .logs import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cached"]

_CACHE = Path("build/watch_families")
Verdicts = dict[str, list[list[str | None]]]


@lru_cache
def _code_state() -> str:
    """A hash of everything that a verdict rests on but the logs: rules, schedules, this package."""
    source = Path(learnrate.__file__).parent
    files = [*source.glob("watch/**/*.py"), *source.glob("schedules/*.py"), *source.glob("_*.py")]
    files += [Path(__file__).parent / name for name in ("views.py", "labels.py")]
    return hashlib.sha1(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()


def cached(family: str, question: str, compute: Callable[[], Verdicts]) -> Verdicts:
    """The verdicts on a family, computed if they are not stored.

    Args:
        family: whose runs are judged.
        question: the view, the thresholds and the rules, as a text.
        compute: gives the verdicts.
    """
    logs = (FOLDER / f"{family}.parquet").read_bytes()
    key = hashlib.sha1(logs + f"{_code_state()} {family} {question}".encode()).hexdigest()
    file = _CACHE / f"{key}.json"
    if file.is_file():
        stored: Verdicts = json.loads(file.read_text())
        return stored
    verdicts = compute()
    _CACHE.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(verdicts))
    return verdicts
