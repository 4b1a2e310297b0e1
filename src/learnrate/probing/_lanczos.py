"""The largest eigenvalue of a symmetric operator that can only be applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Eigenpair", "largest_eigenpair"]

_KEPT = 3  # Ritz vectors that a restart keeps


@dataclass(frozen=True, eq=False)
class Eigenpair:
    """What was found.

    Attributes:
        value: the largest eigenvalue.
        vector: of length 1.
        error: |A v - value v|; an eigenvalue lies within that distance.
        products: applications of the operator.
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
    """Lanczos with full re-orthogonalisation and thick restarts.

    The largest eigenvalue, also where a negative one is larger in size, which is what power
    iteration would find.

    Args:
        apply: the operator.
        start: a vector; the better its guess, the fewer products.
        tolerance: stop when error <= tolerance * |value|.
        products: at most so many.
        memory: vectors held at a time, at least 5.

    Ref: Wu and Simon 2000, "Thick-restart Lanczos method for large symmetric eigenvalue problems".
    """
    basis = start.new_empty((memory, start.numel()))
    basis[0] = start / torch.linalg.vector_norm(start)
    inner = np.zeros((memory, memory))
    size, done = 1, 0
    while True:
        image = apply(basis[size - 1])
        done += 1
        held = basis[:size]
        column = held @ image
        image = image - column @ held
        again = held @ image  # once is not enough in finite precision
        image -= again @ held
        inner[:size, size - 1] = inner[size - 1, :size] = (column + again).tolist()
        beta = float(torch.linalg.vector_norm(image))
        values, vectors = np.linalg.eigh(inner[:size, :size])
        value, error = float(values[-1]), beta * abs(float(vectors[-1, -1]))
        whole = size == start.numel() or beta <= 1e-12 * float(np.abs(values).max())
        if whole or error <= tolerance * abs(value) or done == products:
            top = torch.as_tensor(vectors[:, -1], dtype=basis.dtype, device=basis.device)
            return Eigenpair(value, top @ held, error, done)
        if size == memory:
            size = _restart(basis, inner, values, vectors)
        basis[size] = image / beta
        size += 1


def _restart(
    basis: torch.Tensor, inner: np.ndarray, values: np.ndarray, vectors: np.ndarray
) -> int:
    """Go on with the best few vectors; the coupling to the next one is measured by its product."""
    best = torch.as_tensor(vectors[:, -_KEPT:], dtype=basis.dtype, device=basis.device)
    basis[:_KEPT] = best.T @ basis
    inner[:] = 0.0
    inner[range(_KEPT), range(_KEPT)] = values[-_KEPT:]
    return _KEPT
