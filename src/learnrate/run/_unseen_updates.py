"""Detects that the optimizer of a run makes no updates while the loop continues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from learnrate.run._update_meter import parameters_of
from learnrate.watch import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch.optim import Optimizer

__all__ = ["UnseenUpdates"]

_UNSEEN_CHANGES = 3  # changes of the weights without a step() of the optimizer; a single one may be a loaded checkpoint
_CALLS_WITHOUT_CHANGE = 30  # a GradScaler skips at most 17 updates in a row
_CALLS_WITHOUT_UPDATE = 1000  # counted even if gradients change
_TENSORS, _NUMBERS = 16, 4  # how many numbers of how many tensors are compared

_WAYS_OUT = (
    "Attach to the optimizer whose step() makes the updates: the base optimizer of a wrapper such "
    "as SAM, or the new one if the optimizer was replaced during the run. If your own code makes "
    "the updates, or a captured graph does, call run.step(loss, updated=True) after each of them."
)


class UnseenUpdates:
    """Compares a few weights and gradients from one call of `Run.step` to the next.

    In a loop whose every call follows an update, and in one that accumulates gradients over the
    same number of calls, nothing is compared after the first few updates.

    Args:
        optimizers: the optimizers of the run.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._optimizers = tuple(optimizers)
        self._calls, self._longest = 0, 0  # in a row without an update, now and at most
        self._weights: list[float] | None = None
        self._gradients: list[float] | None = None
        self._changes, self._still = 0, 0
        self._is_reported = False

    def restart(self) -> None:
        """Called after an update was seen."""
        self._longest = max(self._longest, self._calls)
        self._calls, self._changes, self._still = 0, 0, 0
        self._weights = self._gradients = None

    def check(self, step: int) -> Finding | None:
        """The finding of a call without an update, once; None if there is none.

        Args:
            step: the update about to happen.
        """
        self._calls += 1
        if self._is_reported or self._calls <= self._longest:
            return None
        self._compare()
        if self._changes >= _UNSEEN_CHANGES:
            return self._finding(
                step,
                f"the weights changed {_UNSEEN_CHANGES} times between calls of run.step(), and step() of "
                f"the attached {self._names} was not called: the rates of these updates are "
                "neither set nor recorded.",
            )
        if self._still >= _CALLS_WITHOUT_CHANGE:
            return self._finding(
                step,
                f"run.step() was called {self._calls} times, and neither the weights nor the "
                f"gradients of the attached {self._names} changed: nothing is trained.",
            )
        if self._calls - self._longest >= _CALLS_WITHOUT_UPDATE:
            return self._finding(
                step,
                f"run.step() was called {self._calls} times without a step() of the attached "
                f"{self._names} in between.",
            )
        return None

    @property
    def _names(self) -> str:
        return " and ".join(type(optimizer).__name__ for optimizer in self._optimizers)

    def _compare(self) -> None:
        parameters = parameters_of(*self._optimizers)
        weights = _sample(parameters)
        gradients = _sample(
            parameter.grad for parameter in parameters if parameter.grad is not None
        )
        if self._weights is not None:
            if weights != self._weights:
                self._changes += 1
            self._still = self._still + 1 if gradients == self._gradients else 0
        self._weights, self._gradients = weights, gradients

    def _finding(self, step: int, message: str) -> Finding:
        self._is_reported = True
        evidence = {
            "calls_without_step": self._calls,
            "changes_of_weights": self._changes,
            "calls_with_the_same_gradients": self._still,
        }
        return Finding(
            code="LR310",
            severity=Severity.WARNING,
            step=step,
            message=message,
            evidence=evidence,
            remedy=_WAYS_OUT,
        )


def _sample(tensors: Iterable[torch.Tensor]) -> list[float]:
    """Some numbers of some tensors, spread over all of them."""
    chosen = [tensor for tensor in tensors if tensor.numel() and not tensor.is_sparse]
    chosen = chosen[:: max(1, -(-len(chosen) // _TENSORS))]
    with torch.no_grad():
        parts = [_spread(tensor).to("cpu", torch.float64) for tensor in chosen]
    # nan differs from itself.
    numbers: list[float] = torch.cat(parts).nan_to_num(nan=1e300).tolist() if parts else []
    return numbers


def _spread(tensor: torch.Tensor) -> torch.Tensor:
    local = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    flat = local.detach().reshape(-1)
    return flat[:: max(1, flat.numel() // _NUMBERS)][:_NUMBERS]
