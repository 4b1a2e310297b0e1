"""Warnings of a recorder, which never stop the training."""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress

__all__ = ["WarnOnce", "warn"]


class WarnOnce:
    """Warns at the first call, and never again."""

    def __init__(self) -> None:
        self._warned = False

    def __call__(self, message: str) -> None:
        """Warn, unless this object has warned before."""
        if not self._warned:
            self._warned = True
            warn(message)


def warn(message: str) -> None:
    """Warn; if warnings are errors, print the message instead."""
    try:
        warnings.warn(f"learnrate: {message}", RuntimeWarning, stacklevel=2)
    except RuntimeWarning:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"learnrate: {message}\n")
