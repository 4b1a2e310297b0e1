"""Draws the scaling page's picture while the site is built, by running the page's own snippet."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _themes import add_picture

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGE = "how-to/scaling.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the picture, light and dark."""
    text = (Path(config.docs_dir) / PAGE).read_text(encoding="utf-8")
    snippet = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[0]
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(snippet, names)  # noqa: S102 - our own page
    add_picture(files, config, "how-to/scaling", lambda: names["fitted"].plot(names["scaled"]))
    return files
