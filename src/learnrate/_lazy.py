"""Public names of a package that are imported when they are first used."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from learnrate._errors import needing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lazy_getattr"]


def lazy_getattr(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a package whose names need torch.

    Args:
        package: the `__name__` of the package.
        modules: for each public name, the module inside the package that defines it.

    Raises:
        AttributeError: when it is called, if the package has no such name.
        MissingExtraError: when it is called, if torch is not installed.
    """

    def load(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with needing("torch", "torch", f"{package}.{name}"):
            value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
