"""Where the pages come from, and how a word finds its page."""

from __future__ import annotations

import difflib
import inspect
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError
from learnrate._files import read_json
from learnrate.glossary._page import (
    Page,
    claim_page,
    documented_page,
    finding_page,
    search_key,
    term_page,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["look_up", "pages"]

_HERE = Path(__file__).parent


def _folder(name: str) -> Path:
    """A folder of the documentation: in a wheel it is here, in a checkout it is in docs/."""
    packaged = _HERE / name
    return packaged if packaged.is_dir() else _HERE.parents[2] / "docs" / name


def _terms() -> Iterator[Page]:
    results = {result["name"]: result for result in _results()}
    for path in sorted((_HERE / "terms").glob("*.md")):
        yield term_page(path.read_text(encoding="utf-8"), path.stem, results)


def _findings() -> Iterator[Page]:
    for path in sorted(_folder("findings").glob("LR*.md")):
        yield finding_page(path.read_text(encoding="utf-8"), path.stem)


def _results() -> Iterator[dict[str, Any]]:
    """The stored result of every claim: of the full test, or else of the quick one."""
    for path in sorted((_HERE.parent / "claims" / "results").glob("*.json")):
        results = read_json(path)
        yield results.get("full", results.get("quick"))


def _claims() -> Iterator[Page]:
    yield from map(claim_page, _results())


def _schedules() -> Iterator[Page]:
    from learnrate import schedules  # noqa: PLC0415 - loads numpy

    for name in schedules.__all__:
        value = getattr(schedules, name)
        if inspect.isclass(value) and issubclass(value, schedules.Shape | schedules.Wrapper):
            if not inspect.isabstract(value):
                yield documented_page(value, value.name, name)
        elif inspect.isfunction(value) and value.__module__.endswith("_recipes"):
            yield documented_page(value, name)


# For another kind of page, add a function here. Pages about the same word are shown in this order.
_SOURCES = (_terms, _findings, _claims, _schedules)


@cache
def pages() -> tuple[Page, ...]:
    """All pages: the words, the findings, the claims, the schedules."""
    return tuple(page for source in _SOURCES for page in source())


def look_up(word: str) -> tuple[Page, ...]:
    """Find the pages about a word: usually one, or a term and the schedule of the same name.

    Capitals, spaces, hyphens and underscores make no difference.

    Raises:
        ArgumentError: no page is about the word; the message names the nearest words.

    Examples:
        >>> [page.word for page in look_up("Warm-up")]
        ['warm-up', 'warmup']
        >>> look_up("LR101")[0].summary
        'the loss diverged'
    """
    pages_by_key: dict[str, list[Page]] = {}
    for page in pages():
        for key in {search_key(name) for name in page.names}:
            pages_by_key.setdefault(key, []).append(page)
    key = search_key(word)
    if key in pages_by_key:
        return tuple(pages_by_key[key])
    similar = difflib.get_close_matches(key, pages_by_key, n=3, cutoff=0.55)
    containing = [known for known in pages_by_key if len(key) > 2 and key in known]
    nearest = [pages_by_key[known][0].word for known in [*containing, *similar]]
    names = ", ".join(list(dict.fromkeys(nearest))[:4])
    hint = f" The nearest are {names}." if names else ""
    raise ArgumentError(
        f"no page is about {word!r}.{hint} learnrate explain without a word lists all."
    )
