"""Puts the pages that `learnrate explain` prints on the site, with the words in them linked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from learnrate.glossary import Page, look_up, pages

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

_INTRODUCTION = """# Glossary

The words of the field and of learnrate. `learnrate explain WORD` prints any of these pages in the
terminal, and so it does for the code of a [finding](../findings/index.md) and the name of a
[schedule](../schedules/gallery.md).

"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each word, and their list."""
    words = sorted((page for page in pages() if page.kind == "word"), key=_alphabetical)
    listed = "\n".join(f"- **[{page.word}]({page.slug}.md)**: {page.summary}" for page in words)
    files.append(
        File.generated(config, "glossary/index.md", content=_INTRODUCTION + listed + "\n")
    )
    for page in words:
        files.append(File.generated(config, f"glossary/{page.slug}.md", content=linked(page)))
    return files


def linked(page: Page) -> str:
    """The page's Markdown with links in place of the words after `See also:`."""
    pointers = ", ".join(f"[{word}]({_address(word)})" for word in page.see)
    return re.sub(
        r"^See also: .*$", f"See also: {pointers}.", page.source, count=1, flags=re.MULTILINE
    )


def _address(word: str) -> str:
    page, *_ = look_up(word)
    return f"../findings/{page.slug}.md" if page.kind == "finding" else f"{page.slug}.md"


def _alphabetical(page: Page) -> str:
    return page.word.casefold()
