"""What SASA+ needs to know of an optimizer step, measured in torch."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["measured_step"]


@contextmanager
def measured_step(optimizer: torch.optim.Optimizer) -> Iterator[dict[str, float]]:
    """Measure the update an optimizer makes inside the block.

    With x the trainable parameters before the update, x' after it and lr the highest rate of the
    parameter groups, d = (x - x') / lr, whatever the optimizer made of the gradient, momentum and
    weight decay included. The dictionary is filled when the block ends:

        inner = <x', d>,   squared = |d|^2,   lr

    Memory: one copy of the trainable parameters, and two temporaries of the largest of them.
    Cost: three passes over the parameters, and one wait for the device. Sums are in double
    precision; the difference x - x' has the precision of the parameters, so updates below half
    precision's resolution are not seen. Where parameters are split over processes (FSDP), `inner`
    and `squared` are of this process's share: add them up over all.

    Raises:
        ArgumentError: the optimizer has no rate above 0 to measure by, or nothing to train;
            nothing was updated.

    Examples:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([2.0]))
        >>> optimizer = torch.optim.SGD([weight], lr=0.5)
        >>> weight.grad = torch.tensor([1.0])
        >>> with measured_step(optimizer) as signals:
        ...     optimizer.step()
        >>> signals  # d = 1, x' = 1.5
        {'inner': 1.5, 'squared': 1.0, 'lr': 0.5}
    """
    lr = max(float(group["lr"]) for group in optimizer.param_groups)
    if not lr > 0:
        raise ArgumentError(
            f"measured_step(optimizer) needs a rate above 0; the highest is {lr}. "
            "Measure from the first update with a rate on."
        )
    parameters = [
        parameter
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.requires_grad
    ]
    if not parameters:
        raise ArgumentError("measured_step(optimizer) needs a trainable parameter; it has none.")
    before = [parameter.detach().clone() for parameter in parameters]
    signals: dict[str, float] = {}
    yield signals
    inner, squared = _products(before, [parameter.detach() for parameter in parameters])
    signals.update(inner=inner / lr, squared=squared / lr**2, lr=lr)


def _products(before: list[torch.Tensor], after: list[torch.Tensor]) -> tuple[float, float]:
    home = before[0].device
    sums = torch.zeros(2, dtype=torch.float64, device=home)
    for old, new in zip(before, after, strict=True):
        wide = torch.promote_types(old.dtype, torch.float32)
        reached = new.to(wide)
        moved = old.to(wide).sub_(reached)
        reached = moved * reached
        both = (reached.sum(dtype=torch.float64), moved.square_().sum(dtype=torch.float64))
        sums += torch.stack(both).to(home)
    inner, squared = sums.tolist()
    return float(inner), float(squared)
