"""Packages that a file of tests needs, imported when one of its tests first uses them.

Every worker of the suite collects every file, but runs only some of them. So what takes seconds to
import is imported by the workers that use it.
"""

import importlib
import importlib.util

import pytest


class Needed:
    """A module that is imported when one of its attributes is first used."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        if attribute.startswith(
            ("_", "pytest")
        ):  # asked of everything in a file that is collected
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)


def needed(name):
    """A module, imported when it is first used; without its package the file is skipped."""
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)
    return Needed(name)
