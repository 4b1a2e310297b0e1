"""The words of the field and of learnrate, a page each: what `learnrate explain` prints."""

from learnrate.glossary._lookup import look_up, pages
from learnrate.glossary._page import Page

__all__ = ["Page", "look_up", "pages"]
