"""Hessian-vector products of a loss."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from learnrate._errors import TaskError
from learnrate.probing._fork import loss_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from learnrate.probing._fork import Loss

__all__ = ["differentiable", "hessian"]


@contextmanager
def differentiable() -> Iterator[None]:
    """Attention by its plain formula: the fused kernels cannot be differentiated twice."""
    with sdpa_kernel(SDPBackend.MATH):
        yield


def hessian(
    call: str, loss_of: Loss, model: nn.Module, batch: Any, parameters: list[nn.Parameter]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """What multiplies a vector by the Hessian of a batch's loss.

    Raises:
        TaskError: the loss is no finite number, or its gradient cannot be differentiated.
    """
    loss = loss_at(call, loss_of, model, batch)
    if not torch.isfinite(loss):
        raise TaskError(
            f"{call}: the loss of the batch is {float(loss.detach())}; it must be finite."
        )
    gradients = torch.autograd.grad(
        loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True
    )
    curved = [at for at, one in enumerate(gradients) if one.requires_grad]
    sizes = [one.numel() for one in parameters]

    def product(vector: torch.Tensor) -> torch.Tensor:
        if not curved:
            return torch.zeros_like(vector)
        parts = [
            part.view_as(one).to(one.device, one.dtype)
            for part, one in zip(vector.split(sizes), parameters, strict=True)
        ]
        try:
            found = torch.autograd.grad(
                [gradients[at] for at in curved],
                parameters,
                [parts[at] for at in curved],
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
        except RuntimeError as error:
            raise TaskError(
                f"{call}: the gradient of this loss cannot be differentiated again: "
                f"{str(error).splitlines()[0]} Use layers with a plain backward pass (no fused "
                "or compiled kernels) for this measurement."
            ) from error
        return torch.cat([one.to(vector).reshape(-1) for one in found])

    return product
