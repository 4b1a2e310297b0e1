"""The largest eigenvalue of a symmetric operator that is known only by its products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Eigenpair", "largest_eigenpair"]

_RESTART_SIZE = 3  # Ritz vectors that a restart keeps


@dataclass(frozen=True, eq=False)
class Eigenpair:
    """An eigenvalue with its eigenvector.

    Attributes:
        value: the largest eigenvalue.
        vector: of length 1.
        error: |A v - value v|; an eigenvalue of A lies within this distance of `value`.
        products: how often the operator was applied.
    """

    value: float
    vector: torch.Tensor
    error: float
    products: int


def largest_eigenpair(
    apply: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    *,
    tolerance: float,
    products: int,
    memory: int,
) -> Eigenpair:
    """The largest eigenvalue, by Lanczos with full re-orthogonalisation and thick restarts.

    It is the largest one even if a negative eigenvalue has a larger absolute value; power iteration
    would find that one instead.

    Args:
        apply: the operator.
        start: a guess of the eigenvector; the better it is, the fewer products are needed.
        tolerance: stop when error <= tolerance * |value|.
        products: the most applications of the operator.
        memory: how many vectors are held at a time, at least 5.

    Ref: Wu and Simon 2000, "Thick-restart Lanczos method for large symmetric eigenvalue problems".
    """
    basis = start.new_empty((memory, start.numel()))
    basis[0] = start / torch.linalg.vector_norm(start)
    inner = np.zeros((memory, memory))
    size, applied = 1, 0
    while True:
        image = apply(basis[size - 1])
        applied += 1
        active = basis[:size]
        column = active @ image
        image = image - column @ active
        again = active @ image  # once is not enough in finite precision
        image -= again @ active
        inner[:size, size - 1] = inner[size - 1, :size] = (column + again).tolist()
        beta = float(torch.linalg.vector_norm(image))
        values, vectors = np.linalg.eigh(inner[:size, :size])
        value, error = float(values[-1]), beta * abs(float(vectors[-1, -1]))
        whole = size == start.numel() or beta <= 1e-12 * float(np.abs(values).max())
        if whole or error <= tolerance * abs(value) or applied == products:
            top = torch.as_tensor(vectors[:, -1], dtype=basis.dtype, device=basis.device)
            return Eigenpair(value, top @ active, error, applied)
        if size == memory:
            size = _restart(basis, inner, values, vectors)
        basis[size] = image / beta
        size += 1


def _restart(
    basis: torch.Tensor, inner: np.ndarray, values: np.ndarray, vectors: np.ndarray
) -> int:
    """Continue with the best few vectors; the next product measures their coupling to the next one."""
    best = torch.as_tensor(vectors[:, -_RESTART_SIZE:], dtype=basis.dtype, device=basis.device)
    basis[:_RESTART_SIZE] = best.T @ basis
    inner[:] = 0.0
    inner[range(_RESTART_SIZE), range(_RESTART_SIZE)] = values[-_RESTART_SIZE:]
    return _RESTART_SIZE
