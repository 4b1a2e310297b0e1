"""The number of classes of a cross-entropy."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from torch import nn

from learnrate.run._module_hook import ModuleHook

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ClassMeter"]


class ClassMeter:
    """Reads the number of classes from the first outputs that a cross-entropy is given.

    Args:
        criterion: the loss module. Other losses than a mean cross-entropy have no classes.
    """

    def __init__(self, criterion: nn.Module | None) -> None:
        self._classes = 0
        self._handle: Any = None
        is_known = isinstance(criterion, nn.CrossEntropyLoss | nn.NLLLoss)
        if criterion is not None and is_known and criterion.reduction == "mean":
            self._handle = criterion.register_forward_pre_hook(ModuleHook(self._count))

    def _count(self, _criterion: nn.Module, args: Any) -> None:
        with suppress(AttributeError, IndexError, TypeError):
            outputs = args[0]
            self._classes = int(outputs.shape[1 if outputs.ndim > 1 else 0])

    def close(self) -> None:
        """Remove the hook from the model, which is then as before."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def columns(self) -> Mapping[str, float]:
        """The number of classes, once it is known."""
        if self._handle is None or not self._classes:
            return {}
        self.close()
        return {"classes": float(self._classes)} if self._classes > 1 else {}
