"""Follows every internal link and anchor of the built site; a broken one ends the build."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mkdocs.exceptions import PluginError

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

_LOG = logging.getLogger("mkdocs.hooks.links")
_POINTERS = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "src"}


@dataclass
class LinkCheck:
    """The numbers of links, anchors and pages that were checked, and (page, link, reason) of broken ones."""

    links: int = 0
    anchors: int = 0
    pages: int = 0
    broken: list[tuple[str, str, str]] = field(default_factory=list)


class _Page(HTMLParser):
    """The links of a page, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.anchors |= {attributes[name] or "" for name in ("id", "name") if name in attributes}
        address = attributes.get(_POINTERS.get(tag, ""))
        if address:
            self.links.append(address)


def on_post_build(config: MkDocsConfig) -> None:
    """Check the site.

    Raises:
        PluginError: a link leads nowhere.
    """
    result = check(Path(config.site_dir))
    if result.broken:
        listed = "\n".join(f"  {page}: {link}: {problem}" for page, link, problem in result.broken)
        raise PluginError(f"{len(result.broken)} links of the site lead nowhere:\n{listed}")
    _LOG.info(
        "%s internal links of %s pages lead somewhere, %s of them to an anchor",
        f"{result.links:,}",
        result.pages,
        f"{result.anchors:,}",
    )


def check(site: Path) -> LinkCheck:
    """Follow the links of every page below a folder. Links to other sites are not followed."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    result = LinkCheck(pages=len(pages))
    for path, page in sorted(pages.items()):
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            result.links += 1
            result.anchors += bool(parts.fragment)
            problem = _problem_of(site, path, unquote(parts.path), unquote(parts.fragment), pages)
            if problem:
                result.broken.append((str(path.relative_to(site)), link, problem))
    return result


def _problem_of(
    site: Path, page: Path, place: str, anchor: str, pages: dict[Path, _Page]
) -> str | None:
    """Why a link leads nowhere, or None."""
    start = site if place.startswith("/") else page.parent
    target = (start / place.lstrip("/")).resolve() if place else page
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site.resolve()) and place:
        return "it leaves the site"
    if not target.exists():
        return "there is no such file"
    linked_page = pages.get(target)
    if linked_page is not None and anchor not in linked_page.anchors:
        return f"the page has no anchor {anchor!r}"
    return None
