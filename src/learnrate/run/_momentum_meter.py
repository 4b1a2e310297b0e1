"""The momentum that updates use, where something changes it during a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.optim import Optimizer

__all__ = ["MomentumMeter"]


class MomentumMeter:
    """Notices that the momentum of an optimizer's first group, or Adam's first beta, has changed.

    The facts of a run have the value that it begins with; see `optimizer_facts`.

    Args:
        optimizer: the first one of the run, before anything of the run has changed it.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._last = _momentum_of(optimizer)

    def before(self, optimizer: Optimizer) -> dict[str, float]:
        """The column of the momentum right before an update; empty if it is as before."""
        if optimizer is not self._optimizer:
            return {}
        momentum = _momentum_of(optimizer)
        if momentum is None or momentum == self._last:
            return {}
        self._last = momentum
        return {"momentum_used": momentum}


def _momentum_of(optimizer: Optimizer) -> float | None:
    group: dict[str, Any] = optimizer.param_groups[0]
    momentum = group.get("momentum", (group.get("betas") or [None])[0])
    return float(momentum) if isinstance(momentum, int | float) else None
