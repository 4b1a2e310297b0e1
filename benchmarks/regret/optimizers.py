"""The optimizers of the cells. Their rates are placeholders; the measurements set others."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["OPTIMIZERS", "Lion"]


class Lion(torch.optim.Optimizer):
    """Updates by the sign of a mean of gradients (Chen et al., 2023, arXiv 2302.06675).

    Args:
        parameters: what is trained.
        lr: the rate.
        betas: memory of the update, and of the stored mean.
        weight_decay: decoupled, as in AdamW.
    """

    def __init__(
        self,
        parameters: Iterable[torch.Tensor],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # takes no closure
        """Make one update."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(group, weight)

    def _update(self, group: dict[str, Any], weight: torch.Tensor) -> None:
        state, (fast, slow) = self.state[weight], group["betas"]
        mean = state.setdefault("mean", torch.zeros_like(weight))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(mean.lerp(weight.grad, 1 - fast).sign_(), alpha=-group["lr"])
        mean.lerp_(weight.grad, 1 - slow)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "plain": partial(torch.optim.SGD, lr=0.1),
    "nesterov": partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "adamax": torch.optim.Adamax,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "sparseadam": torch.optim.SparseAdam,
    "lion": Lion,
    "muon": torch.optim.Muon,
}
