"""A page about one word, read from Markdown or from a docstring."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from learnrate._records import to_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Page", "claim_page", "documented_page", "finding_page", "search_key", "term_page"]

_MOST_CASES = 3  # of a claim, on the page of a term
_PICTURE = re.compile(r"^!\[.*\n", flags=re.MULTILINE)
_NEAR_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://)[^)]*\)")
_SECTIONS = re.compile(r"^(Args|Returns|Raises|Examples|Attributes):$", flags=re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page about one word.

    Attributes:
        word: the word.
        kind: `word`, `finding`, `claim` or `schedule`.
        summary: one line.
        names: all names of the word, `word` first.
        see: the words under `See also:`.
        source: the whole page in Markdown, with links to other pages.
        slug: the stem of the file it was read from; empty if it was not read from a file.
    """

    word: str
    kind: str
    summary: str
    names: tuple[str, ...]
    see: tuple[str, ...] = ()
    source: str
    slug: str = ""

    @property
    def text(self) -> str:
        """The page for a terminal, without pictures and without links to other pages."""
        return _NEAR_LINK.sub(r"\1", _PICTURE.sub("", self.source))

    def to_dict(self) -> dict[str, Any]:
        """The page as JSON values, as `learnrate explain --json` prints it."""
        return to_dict(self, omit=("source", "slug")) | {"text": self.text}


def search_key(name: str) -> str:
    """A name without capitals, spaces and punctuation, so that all spellings are the same.

    Examples:
        >>> search_key("Warm-up") == search_key("warmup") == search_key("warm up")
        True
    """
    return "".join(filter(str.isalnum, name.casefold()))


def term_page(text: str, slug: str, results: Mapping[str, dict[str, Any]] | None = None) -> Page:
    r"""Read a term: a title, `Also:` with other names, a summary, a body, `Claims:`, `See also:`.

    Args:
        text: the page. Claims are replaced by what their tests measured, so that a page cannot say
            another figure than the claim.
        slug: the stem of its file.
        results: the stored results of the claims, by name; needed if the page names claims.

    Examples:
        >>> page = term_page("# peak\n\nAlso: top.\n\nThe highest.\n\nSee also: floor.", "peak")
        >>> page.names, page.summary, page.see
        (('peak', 'top'), 'The highest.', ('floor',))
    """
    title, *paragraphs = text.strip().split("\n\n")
    word = title.removeprefix("# ")
    summary = next(part for part in paragraphs if not part.startswith("Also: "))
    return Page(
        word=word,
        kind="word",
        summary=" ".join(summary.split()),
        source=_with_results(text, results or {}),
        names=(word, *_labelled(text, "Also: ")),
        see=_labelled(text, "See also: "),
        slug=slug,
    )


def finding_page(text: str, slug: str) -> Page:
    """Read a finding's page, whose title is its code and its summary."""
    code, _, summary = text.split("\n", 1)[0].removeprefix("# ").partition(": ")
    return Page(word=code, kind="finding", summary=summary, source=text, names=(code,), slug=slug)


def claim_page(result: dict[str, Any]) -> Page:
    """Write a claim's page from the stored result of its test."""
    name, statement, verdict = result["name"], result["statement"], result["verdict"]
    body = (
        f"> {statement}",
        f"Source: {result['source']}",
        f"Verdict: **{verdict}**.",
        f"`learnrate claims show {name}` has the figures, `learnrate claims run {name}` tests it.",
    )
    return Page(
        word=name,
        kind="claim",
        summary=f"{statement} ({verdict})",
        source="\n\n".join((f"# {name}", *body)) + "\n",
        names=(name,),
    )


def documented_page(schedule: Callable[..., object], *names: str) -> Page:
    """Write the page of a schedule's class or function from its docstring."""
    docstring = inspect.getdoc(schedule) or ""
    summary = docstring.split("\n\n", 1)[0]
    signature = f"{names[0]}{_arguments(schedule)}"
    return Page(
        word=names[0],
        kind="schedule",
        summary=" ".join(summary.split()),
        source=f"# {names[0]}\n\n    {signature}\n\n{_as_markdown(docstring)}\n",
        names=names,
    )


def _with_results(text: str, results: Mapping[str, dict[str, Any]]) -> str:
    """The page with the verdict and the deciding figure of every claim that it names."""
    tested = [_tested(results[name]) for name in _labelled(text, "Claims: ")]
    return re.sub(r"^Claims: .*$", lambda _: "\n".join(tested), text, flags=re.MULTILINE)


def _tested(result: dict[str, Any]) -> str:
    deciding = [case for case in result["cases"] if case["figure"] == result["cases"][0]["figure"]]
    shown = "; ".join(
        f"{case['value']:.3g} [{case['low']:.3g}, {case['high']:.3g}] ({case['where']})"
        for case in deciding[:_MOST_CASES]
    )
    more = f"; {len(deciding) - _MOST_CASES} more" if len(deciding) > _MOST_CASES else ""
    return (
        f'- Claim: "{result["statement"]}" **{result["verdict"].capitalize()}.** Measured '
        f"{deciding[0]['figure']}: {shown}{more}. `learnrate claims show {result['name']}`"
    )


def _labelled(text: str, label: str) -> tuple[str, ...]:
    """The words of a line that begins with a label and ends with a full stop."""
    line = re.search(rf"^{label}(.*)\.$", text, flags=re.MULTILINE)
    return tuple(line[1].split(", ")) if line else ()


def _arguments(function: Callable[..., object]) -> str:
    arguments = []
    for name, parameter in inspect.signature(function).parameters.items():
        plain = parameter.default in {parameter.empty, None}
        arguments.append(name if plain else f"{name}={parameter.default!r}")
    return f"({', '.join(arguments)})"


def _as_markdown(docstring: str) -> str:
    """Write Google sections as bold lines, and their entries as a list."""
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
