"""A page about one word, read from Markdown or from a docstring."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Page", "claim", "documented", "finding", "key", "term"]

_PICTURE = re.compile(r"^!\[.*\n", flags=re.MULTILINE)
_NEAR_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://)[^)]*\)")
_SECTIONS = re.compile(r"^(Args|Returns|Raises|Examples|Attributes):$", flags=re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Page:
    """What is known about one word.

    Attributes:
        word: its name.
        kind: `word`, `finding`, `claim` or `schedule`.
        summary: one line.
        source: the whole page as it is written, in Markdown, with links to other pages.
        names: everything it is found by, its name first.
        see: the words it points at.
        slug: the stem of the file it was read from; empty where there is none.
    """

    word: str
    kind: str
    summary: str
    source: str
    names: tuple[str, ...]
    see: tuple[str, ...] = ()
    slug: str = ""

    @property
    def text(self) -> str:
        """The page for a terminal: no pictures, and no links to pages that are not there."""
        return _NEAR_LINK.sub(r"\1", _PICTURE.sub("", self.source))

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "word": self.word,
            "kind": self.kind,
            "summary": self.summary,
            "names": list(self.names),
            "see": list(self.see),
            "text": self.text,
        }


def key(name: str) -> str:
    """What two spellings of a name have in common.

    Examples:
        >>> key("Warm-up") == key("warmup") == key("warm up")
        True
    """
    return "".join(one for one in name.casefold() if one.isalnum())


def term(text: str, slug: str) -> Page:
    r"""A page of the glossary: a title, `Also:` with other names, a summary, a body, `See also:`.

    Examples:
        >>> page = term("# peak\n\nAlso: top.\n\nThe highest.\n\nSee also: floor.", "peak")
        >>> page.names, page.summary, page.see
        (('peak', 'top'), 'The highest.', ('floor',))
    """
    title, *paragraphs = text.strip().split("\n\n")
    word = title.removeprefix("# ")
    summary = next(one for one in paragraphs if not one.startswith("Also: "))
    return Page(
        word=word,
        kind="word",
        summary=" ".join(summary.split()),
        source=text,
        names=(word, *_listed(text, "Also: ")),
        see=_listed(text, "See also: "),
        slug=slug,
    )


def finding(text: str, slug: str) -> Page:
    """A finding's page: its title is the code and what is found."""
    code, _, found = text.split("\n", 1)[0].removeprefix("# ").partition(": ")
    return Page(word=code, kind="finding", summary=found, source=text, names=(code,), slug=slug)


def claim(kept: dict[str, Any]) -> Page:
    """A claim's page, from what its test found."""
    name, said, verdict = kept["name"], kept["statement"], kept["verdict"]
    body = (
        f"> {said}",
        f"Source: {kept['source']}",
        f"Verdict: **{verdict}**.",
        f"`learnrate claims show {name}` has the figures, `learnrate claims run {name}` tests it.",
    )
    return Page(
        word=name,
        kind="claim",
        summary=f"{said} ({verdict})",
        source="\n\n".join((f"# {name}", *body)) + "\n",
        names=(name,),
    )


def documented(value: Callable[..., object], *names: str) -> Page:
    """A page of a schedule: its docstring, with its sections as headings."""
    said = inspect.getdoc(value) or ""
    summary = said.split("\n\n", 1)[0]
    signature = f"{names[0]}{_arguments(value)}"
    return Page(
        word=names[0],
        kind="schedule",
        summary=" ".join(summary.split()),
        source=f"# {names[0]}\n\n    {signature}\n\n{_as_markdown(said)}\n",
        names=names,
    )


def _listed(text: str, label: str) -> tuple[str, ...]:
    found = re.search(rf"^{label}(.*)\.$", text, flags=re.MULTILINE)
    return tuple(found[1].split(", ")) if found else ()


def _arguments(value: Callable[..., object]) -> str:
    parameters = inspect.signature(value).parameters.values()
    written = (
        one.name if one.default in {one.empty, None} else f"{one.name}={one.default!r}"
        for one in parameters
    )
    return f"({', '.join(written)})"


def _as_markdown(docstring: str) -> str:
    """Google sections as bold lines; doctests, which Markdown takes for quotes, as code."""
    lines = []
    section = ""
    for line in docstring.splitlines():
        if _SECTIONS.match(line):
            section = line.removesuffix(":")
            lines.append(f"**{section}**\n")
        elif section in {"Args", "Raises", "Attributes"} and re.match(r"    \w", line):
            lines.append(f"- {line.strip()}")
        else:
            section = section if line.startswith(" ") or not line else ""
            lines.append(line)
    return "\n".join(lines)
