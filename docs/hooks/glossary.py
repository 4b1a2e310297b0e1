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
    """Add a page a word, and their list."""
    words = sorted((one for one in pages() if one.kind == "word"), key=_alphabetical)
    listed = "\n".join(f"- **[{one.word}]({one.slug}.md)**: {one.summary}" for one in words)
    files.append(
        File.generated(config, "glossary/index.md", content=_INTRODUCTION + listed + "\n")
    )
    for one in words:
        files.append(File.generated(config, f"glossary/{one.slug}.md", content=linked(one)))
    return files


def linked(page: Page) -> str:
    """The page's Markdown with links in place of the words after `See also:`."""
    pointers = ", ".join(f"[{word}]({_address(word)})" for word in page.see)
    return re.sub(
        r"^See also: .*$", f"See also: {pointers}.", page.source, count=1, flags=re.MULTILINE
    )


def _address(word: str) -> str:
    found, *_ = look_up(word)
    return f"../findings/{found.slug}.md" if found.kind == "finding" else f"{found.slug}.md"


def _alphabetical(page: Page) -> str:
    return page.word.casefold()
