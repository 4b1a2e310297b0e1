"""Where pages come from, and how a word finds its own."""

from __future__ import annotations

import difflib
import inspect
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from learnrate._errors import ArgumentError
from learnrate._files import read_json
from learnrate.glossary._page import Page, claim, documented, finding, key, term

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["look_up", "pages"]

_HERE = Path(__file__).parent


def _folder(name: str) -> Path:
    """A folder of the documentation: a wheel holds it here, a checkout in docs/."""
    packed = _HERE / name
    return packed if packed.is_dir() else _HERE.parents[2] / "docs" / name


def _terms() -> Iterator[Page]:
    for path in sorted((_HERE / "terms").glob("*.md")):
        yield term(path.read_text(encoding="utf-8"), path.stem)


def _findings() -> Iterator[Page]:
    for path in sorted(_folder("findings").glob("LR*.md")):
        yield finding(path.read_text(encoding="utf-8"), path.stem)


def _claims() -> Iterator[Page]:
    for path in sorted((_HERE.parent / "claims" / "results").glob("*.json")):
        kept = read_json(path)
        yield claim(kept.get("full", kept.get("quick")))


def _schedules() -> Iterator[Page]:
    from learnrate import schedules  # noqa: PLC0415 - loads numpy

    for name in schedules.__all__:
        value = getattr(schedules, name)
        if inspect.isclass(value) and issubclass(value, schedules.Shape | schedules.Wrapper):
            if not inspect.isabstract(value):
                yield documented(value, value.name, name)
        elif inspect.isfunction(value) and value.__module__.endswith("_recipes"):
            yield documented(value, name)


# A further kind of page is one more function here. The order is that of answers to one word.
_SOURCES = (_terms, _findings, _claims, _schedules)


@cache
def pages() -> tuple[Page, ...]:
    """All pages: the words, the findings, the claims, the schedules."""
    return tuple(page for source in _SOURCES for page in source())


def look_up(word: str) -> tuple[Page, ...]:
    """The pages about a word: mostly one; a schedule's shape follows the word of its name.

    Capitals, spaces, hyphens and underscores make no difference.

    Raises:
        ArgumentError: there is none; the message names the nearest.

    Examples:
        >>> [page.word for page in look_up("Warm-up")]
        ['warm-up', 'warmup']
        >>> look_up("LR101")[0].summary
        'the loss diverged'
    """
    known: dict[str, list[Page]] = {}
    for page in pages():
        for spelling in {key(name) for name in page.names}:
            known.setdefault(spelling, []).append(page)
    if key(word) in known:
        return tuple(known[key(word)])
    near = difflib.get_close_matches(key(word), known, n=3, cutoff=0.55)
    inside = [each for each in known if len(key(word)) > 2 and key(word) in each]
    names = list(dict.fromkeys(known[each][0].word for each in [*inside, *near]))[:4]
    hint = f" The nearest are {', '.join(names)}." if names else ""
    raise ArgumentError(
        f"no page is about {word!r}.{hint} learnrate explain without a word lists all."
    )
