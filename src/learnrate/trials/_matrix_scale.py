"""How large the weight matrices of a training are, beside an update of an optimizer like Adam."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from learnrate.trials._training import rate_ratios

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["log_matrix_scale"]

_LIKE_ADAM = {"Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SparseAdam"}
_POWER_STEPS = 20  # of the power method; it is exact to a few per cent then


def log_matrix_scale(optimizers: Sequence[torch.optim.Optimizer]) -> float | None:
    r"""The log of the rate at which one update of an optimizer like Adam may double the weights.

    Such an optimizer changes every weight by about its rate $\eta$ in one update. The change of a
    matrix of $m \times n$ weights has a spectral norm of at most $\eta \sqrt{mn}$, which is that of the
    matrix $W$ itself at $\eta = \lVert W \rVert_2 / \sqrt{mn}$. Kernels of convolutions count as
    matrices with a row for each output. No random number of the training is drawn.

    Args:
        optimizers: with the weights that they train.

    Returns:
        The mean of $\ln \eta$ over the matrices, for the highest of the rates of parameter groups. None
        if an optimizer is not like Adam, or no matrix has a norm above 0.
    """
    if not all(_is_like_adam(optimizer) for optimizer in optimizers):
        return None
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    try:
        log_rates = [
            math.log(rate / ratio)
            for group, ratio in zip(groups, rate_ratios(optimizers), strict=True)
            for parameter in group["params"]
            if ratio > 0 and (rate := _doubling_rate(parameter)) > 0
        ]
    except (RuntimeError, NotImplementedError, TypeError):  # of unusual tensors
        return None
    return float(np.mean(log_rates)) if log_rates else None


def _is_like_adam(optimizer: torch.optim.Optimizer) -> bool:
    return any(base.__name__ in _LIKE_ADAM for base in type(optimizer).__mro__)


def _doubling_rate(parameter: torch.Tensor) -> float:
    """The rate at which one update may double a matrix; 0 if it is none, or is not trained."""
    if not parameter.requires_grad or parameter.ndim < 2 or parameter.is_complex():
        return 0.0
    matrix = parameter.detach().reshape(parameter.shape[0], -1).to(torch.float32)
    rate = _spectral_norm(matrix) / math.sqrt(max(1, matrix.numel()))
    return rate if math.isfinite(rate) else 0.0


def _spectral_norm(matrix: torch.Tensor) -> float:
    """The largest singular value, by the power method."""
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(matrix.shape[1], generator=generator).to(matrix.device)
    for _ in range(_POWER_STEPS):
        vector = matrix.T @ (matrix @ (vector / (vector.norm() + 1e-30)))
    return float(vector.norm().sqrt())
