"""A live run: `attach`, its rates, what it records, its snapshots and its guard.

`attach`, `Run` and `measured_step` load torch, when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from learnrate._errors import needing
from learnrate.run._guard import Guard

if TYPE_CHECKING:
    from learnrate.run._attach import attach
    from learnrate.run._run import Run
    from learnrate.run._signals import measured_step

_TORCH = {"attach": "_attach", "Run": "_run", "measured_step": "_signals"}

__all__ = ["Guard", "Run", "attach", "measured_step"]


def __getattr__(name: str) -> object:
    if name not in _TORCH:
        raise AttributeError(f"module 'learnrate.run' has no attribute {name!r}")
    with needing("torch", "torch", f"learnrate.run.{name}"):
        module = import_module(f"learnrate.run.{_TORCH[name]}")
    return getattr(module, name)
