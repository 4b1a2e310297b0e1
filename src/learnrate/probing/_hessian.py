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
    """Compute attention by its plain formula; fused kernels cannot be differentiated twice."""
    with sdpa_kernel(SDPBackend.MATH):
        yield


def hessian(
    call: str, loss_of: Loss, model: nn.Module, batch: Any, parameters: list[nn.Parameter]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function that multiplies a vector by the Hessian of a batch's loss.

    Args:
        call: the public function that needs it, for messages.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        model: the model that is trained.
        batch: what the loss is computed on.
        parameters: the order of the vector's parts.

    Raises:
        TaskError: the loss is not finite, or its gradient cannot be differentiated.
    """
    loss = loss_at(call, loss_of, model, batch)
    if not torch.isfinite(loss):
        raise TaskError(
            f"{call}: the loss of the batch is {float(loss.detach())}; it must be finite."
        )
    gradients = torch.autograd.grad(
        loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True
    )
    curved = [index for index, gradient in enumerate(gradients) if gradient.requires_grad]
    sizes = [parameter.numel() for parameter in parameters]

    def product(vector: torch.Tensor) -> torch.Tensor:
        if not curved:
            return torch.zeros_like(vector)
        parts = [
            part.view_as(parameter).to(parameter.device, parameter.dtype)
            for part, parameter in zip(vector.split(sizes), parameters, strict=True)
        ]
        try:
            parts_of_product = torch.autograd.grad(
                [gradients[index] for index in curved],
                parameters,
                [parts[index] for index in curved],
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
        return torch.cat([part.to(vector).reshape(-1) for part in parts_of_product])

    return product
