"""Parts of a package that are found by listing its modules: one public module each, with one constant."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["discover"]

Part = TypeVar("Part")


def discover(package: ModuleType, constant: str, kind: type[Part]) -> dict[str, Part]:
    """The constant of every public module of a package, by the module's name.

    Args:
        package: the package to look through. Modules whose names begin with `_` are left out.
        constant: the name that every module must give its part, such as `RULE`.
        kind: the class of the parts.

    Raises:
        TypeError: a module has no such constant, it is of another class, or a field of it is
            missing.
    """
    parts: dict[str, Part] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_"):
            continue
        path = f"{package.__name__}.{module.name}"
        try:
            part = getattr(import_module(path), constant, None)
        except TypeError as error:
            raise TypeError(f"{path} cannot be loaded: {error}") from error
        if not isinstance(part, kind):
            raise TypeError(
                f"{path} must define {constant}, a {kind.__name__}; "
                f"it has {'no such name' if part is None else repr(part)}."
            )
        parts[module.name] = part
    return parts
