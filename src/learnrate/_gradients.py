"""Gradients, dense and sparse: their norm, and clipping it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["clip_gradients", "gradient_parts", "scale_gradients"]


def gradient_parts(parameters: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """The gradients of parameters that have one; of a sparse gradient the values of its rows.

    Nothing is changed. A sparse gradient may have several values for one row, which are added up.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return [
        gradient.coalesce()._values() if gradient.is_sparse else gradient  # noqa: SLF001 - no copy
        for gradient in gradients
    ]


def clip_gradients(parameters: Iterable[torch.Tensor], clip_norm: float) -> torch.Tensor:
    """Clip the norm of all gradients together, as `clip_grad_norm_` does; returns it.

    Args:
        parameters: whose gradients are clipped in place, sparse ones too.
        clip_norm: the highest norm.
    """
    parameters = list(parameters)
    norm = get_total_norm(gradient_parts(parameters))
    scale_gradients(parameters, clip_norm, norm)
    return norm


def scale_gradients(
    parameters: Iterable[torch.Tensor], clip_norm: float, norm: torch.Tensor
) -> None:
    """Scale gradients so that their norm is at most `clip_norm`.

    Args:
        parameters: whose gradients are scaled in place.
        clip_norm: the highest norm.
        norm: the norm of all gradients together.
    """
    with_gradient = [parameter for parameter in parameters if parameter.grad is not None]
    gradients = [parameter.grad for parameter in with_gradient if parameter.grad is not None]
    are_sparse = [gradient.is_sparse for gradient in gradients]
    pairs = zip(with_gradient, are_sparse, strict=True)
    clip_grads_with_norm_(
        [parameter for parameter, sparse in pairs if not sparse], clip_norm, norm
    )
    factor = torch.clamp(clip_norm / (norm + 1e-6), max=1.0)
    for gradient, sparse in zip(gradients, are_sparse, strict=True):
        if sparse:
            gradient._values().mul_(factor)  # noqa: SLF001 - in place, as for dense gradients
