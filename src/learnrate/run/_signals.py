"""The signals that SASA+ needs of an optimizer step, measured in torch."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from learnrate._errors import ArgumentError
from learnrate.run._update_meter import parameters_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["measured_step"]


@contextmanager
def measured_step(optimizer: torch.optim.Optimizer) -> Iterator[dict[str, float]]:
    """Measure the update an optimizer makes inside the block.

    Let x be the trainable parameters before the update, x' after it, and lr the highest rate of
    the parameter groups. Then d = (x - x') / lr, including momentum and weight decay. The
    dictionary is filled when the block ends:

        inner = <x', d>,   squared = |d|^2,   lr

    Memory: one copy of the trainable parameters, and two temporaries of the largest of them.
    Cost: three passes over the parameters, and one wait for the device. Sums are in double
    precision. The difference x - x' has the precision of the parameters, so an update below the
    resolution of half precision counts as none. If parameters are split over processes (FSDP),
    `inner` and `squared` cover the parameters of this process: add them up over all processes.

    Raises:
        ArgumentError: the optimizer has no rate above 0, or no trainable parameter; no update was
            made.

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
    parameters = [parameter for parameter in parameters_of(optimizer) if parameter.requires_grad]
    if not parameters:
        raise ArgumentError("measured_step(optimizer) needs a trainable parameter; there is none.")
    before = [parameter.detach().clone() for parameter in parameters]
    signals: dict[str, float] = {}
    yield signals
    inner, squared = _products(before, [parameter.detach() for parameter in parameters])
    signals.update(inner=inner / lr, squared=squared / lr**2, lr=lr)


def _products(before: list[torch.Tensor], after: list[torch.Tensor]) -> tuple[float, float]:
    """<x', x - x'> and |x - x'|^2."""
    device = before[0].device
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    for old, new in zip(before, after, strict=True):
        dtype = torch.promote_types(old.dtype, torch.float32)
        reached = new.to(dtype)
        update = old.to(dtype).sub_(reached)
        products = update * reached
        pair = (products.sum(dtype=torch.float64), update.square_().sum(dtype=torch.float64))
        sums += torch.stack(pair).to(device)
    inner, squared = sums.tolist()
    return float(inner), float(squared)
