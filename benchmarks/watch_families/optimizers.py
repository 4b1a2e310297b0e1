"""The optimizers of the corpus, and where a sweep of their rates begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CENTRES", "Lion", "optimizer_of"]

CENTRES = {
    "sgd": 0.1,
    "momentum": 0.03,
    "adam": 3e-3,
    "adamw": 3e-3,
    "rmsprop": 1e-3,
    "lion": 5e-4,
    "adagrad": 0.03,
}
"""The middle rate of a sweep, by optimizer."""


class Lion(torch.optim.Optimizer):
    """Lion, arXiv 2302.06675: the sign of an average of gradients.

    Args:
        params: the parameters.
        lr: the rate.
        betas: decay of the average in the update, and of the average that is kept.
        weight_decay: decoupled, times the rate.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float,
        *,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the parameters; there is no closure."""
        for group in self.param_groups:
            first, second = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                average = state.setdefault("average", torch.zeros_like(parameter))
                direction = (first * average + (1 - first) * parameter.grad).sign()
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(direction, alpha=float(group["lr"]))
                average.lerp_(parameter.grad, 1 - second)


_MAKERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, lr, **options: torch.optim.SGD(
        parameters, lr, momentum=0.9, **options
    ),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "lion": Lion,
    "adagrad": torch.optim.Adagrad,
}


def optimizer_of(
    name: str, parameters: Iterable[torch.nn.Parameter], lr: float, weight_decay: float | None
) -> torch.optim.Optimizer:
    """An optimizer by its name.

    Args:
        name: one of `CENTRES`.
        parameters: to train.
        lr: the first rate.
        weight_decay: None for the optimizer's default.
    """
    options = {} if weight_decay is None else {"weight_decay": weight_decay}
    return _MAKERS[name](parameters, lr=lr, **options)
