"""The sharpness probe: how curved the loss is, against what the rate can bear."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from learnrate._errors import ArgumentError
from learnrate.probing._edges import edge_of
from learnrate.probing._fork import check_model, check_optimizer, forked, now, trainable
from learnrate.probing._hessian import differentiable, hessian
from learnrate.probing._lanczos import largest_eigenpair
from learnrate.probing._result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn
    from torch.optim import Optimizer

    from learnrate.probing._edges import Edge

__all__ = ["Sharpness", "sharpness"]

_ROOM = 0.3
_CAVEAT = (
    "With small batches gradient noise limits the rate before curvature does, so do not raise it "
    "on this alone."
)


@dataclass(frozen=True, kw_only=True)
class Sharpness(Result):
    """How curved the loss is along its sharpest direction, and what that means for the rate.

        ratio = lr * eigenvalue / limit

    Attributes:
        eigenvalue: the largest one of the Hessian; of P^-1 H with Adam or RMSprop, whose P scales
            the gradient. Weight decay that passes through the gradient is part of it. Where
            groups have rates of their own, each counts by its share of the highest.
        preconditioned: whether it is that of P^-1 H.
        lr: the optimizer's highest rate; None without an optimizer.
        limit: the rate times the eigenvalue at which the optimizer is no longer stable: 2 for
            gradient descent, 2 + 2b with momentum b, 38 for Adam at b1 = 0.9; None if not known.
        ratio: 1 at the edge of stability; None where the limit is not known.
        error: an eigenvalue lies within this distance of `eigenvalue`.
        products: Hessian-vector products it took.
        converged: whether `error` is as small as was asked for.
        vector: the direction, of length 1; give it as `start` to the next measurement.
    """

    kind: ClassVar[str] = "sharpness"

    eigenvalue: float
    preconditioned: bool
    lr: float | None
    limit: float | None
    ratio: float | None
    error: float
    products: int
    converged: bool
    vector: torch.Tensor = field(repr=False, compare=False)

    @property
    def edge_lr(self) -> float | None:
        """The rate at which this curvature is at the edge of stability."""
        known = self.limit is not None and self.eigenvalue > 0
        return self.limit / self.eigenvalue if known and self.limit is not None else None

    @property
    def words(self) -> str:
        """What the ratio means."""
        what = "preconditioned sharpness" if self.preconditioned else "sharpness"
        found = f"The {what} is {self.eigenvalue:.3g}"
        if not self.converged:
            found += f" (within {self.error:.2g}: not converged)"
        if self.ratio is None or self.lr is None or self.limit is None:
            return f"{found}; up to which rate this optimizer is stable is not known here."
        found += f": rate times sharpness is {self.lr * self.eigenvalue:.3g}, "
        found += f"{self.ratio:.2g} of the {self.limit:.3g} up to which the optimizer is stable. "
        if self.ratio < _ROOM:
            return f"{found}As far as curvature goes there is room to raise the rate. {_CAVEAT}"
        if self.ratio <= 1.0:
            return f"{found}That is the normal range."
        return (
            f"{found}That is beyond the edge of stability. At full batch training hovers there by "
            "itself; if it lasts and the loss swings, the rate is too high."
        )


def sharpness(
    model: nn.Module,
    loss_of: Callable[[nn.Module, Any], torch.Tensor],
    batch: Any,
    optimizer: Optimizer | None = None,
    *,
    start: torch.Tensor | Sharpness | None = None,
    tolerance: float = 0.02,
    products: int = 60,
    memory: int = 12,
    also: Iterable[Any] = (),
) -> Sharpness:
    """Measure the largest eigenvalue of the loss's Hessian on a batch, and compare it with the rate.

    Lanczos with Hessian-vector products, each by differentiating the gradient once more. With an
    optimizer, coordinates are scaled as it scales them, and the result says how far the rate is
    from the edge of stability. Nothing is changed: see `what_if`.

    Memory: `memory` vectors of the size of the weights, and the graph of one gradient.

    Args:
        model: as it is trained, in the mode it is in. Under DDP, `model.module` on one rank.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        batch: the larger, the better: a small batch's Hessian is sharper than the whole loss's.
            Keep to one batch, so that measurements can be compared.
        optimizer: whose rate is compared.
        start: a direction to start from, or the result before: then few products suffice.
        tolerance: stop when the error is at most this share of the eigenvalue. The eigenvalue is
            then mostly much nearer: its distance falls with the square.
        products: Hessian-vector products at most.
        memory: vectors held at a time, at least 5.
        also: further objects with a state that computing the loss changes.

    Raises:
        ArgumentError: a value outside its rule; an optimizer that has not updated yet or whose
            groups differ in momentum.
        TaskError: the loss is no number, not finite, or its gradient cannot be differentiated.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> curvatures = torch.tensor([1.0, 3.0])
        >>> def loss_of(model, batch):
        ...     return 0.5 * (batch * model.weight.square()).sum()
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> found = sharpness(model, loss_of, curvatures, optimizer)
        >>> round(found.eigenvalue, 4), round(found.ratio, 4), round(found.edge_lr, 4)
        (3.0, 0.75, 0.6667)
    """
    check_model("sharpness", model)
    optimizer = None if optimizer is None else check_optimizer("sharpness", optimizer)
    _check("products", products, 1)
    _check("memory", memory, 5)
    if not 0 < tolerance < 1:
        raise ArgumentError(
            f"sharpness(tolerance=...) must lie between 0 and 1; got {tolerance}. "
            "A smaller one costs more products."
        )
    parameters = trainable(model)
    edge = None if optimizer is None else edge_of(optimizer, parameters)
    first = _start(start, parameters)
    began = now()
    with forked(model, None, also), differentiable():
        product = hessian("sharpness", loss_of, model, batch, parameters)
        found = largest_eigenpair(
            product if edge is None else _scaled(product, edge),
            first,
            tolerance=tolerance,
            products=products,
            memory=memory,
        )
    limit = None if edge is None else edge.limit
    known = edge is not None and limit is not None
    return Sharpness(
        eigenvalue=found.value,
        preconditioned=edge is not None and edge.preconditioned,
        lr=None if edge is None else edge.lr,
        limit=limit,
        ratio=edge.lr * found.value / limit if known and edge and limit else None,
        error=found.error,
        products=found.products,
        converged=found.error <= tolerance * abs(found.value),
        vector=found.vector,
        cost=1.0 + 2.0 * found.products,
        seconds=now() - began,
    )


def _check(argument: str, value: int, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ArgumentError(
            f"sharpness({argument}=...) must be a whole number of at least {least}; got {value!r}."
        )


def _start(start: torch.Tensor | Sharpness | None, parameters: list[nn.Parameter]) -> torch.Tensor:
    kind = torch.float32
    for one in parameters:
        kind = torch.promote_types(kind, one.dtype)
    size = sum(one.numel() for one in parameters)
    if start is None:
        own = torch.Generator().manual_seed(0)  # the training's generators are not drawn from
        return torch.randn(size, generator=own, dtype=kind).to(parameters[0].device)
    vector = start.vector if isinstance(start, Sharpness) else start
    if vector.shape != (size,) or not vector.any():
        raise ArgumentError(
            f"sharpness(start=...) must be a vector of the {size} trainable weights, not all 0; "
            f"got shape {tuple(vector.shape)}."
        )
    return vector.detach().to(parameters[0].device, kind)


def _scaled(
    product: Callable[[torch.Tensor], torch.Tensor], edge: Edge
) -> Callable[[torch.Tensor], torch.Tensor]:
    """P^-1/2 (H + decay) P^-1/2: symmetric, with the eigenvalues of P^-1 (H + decay)."""
    root = edge.scale.sqrt()

    def scaled(vector: torch.Tensor) -> torch.Tensor:
        inner = root.to(vector) * vector
        return root.to(vector) * (product(inner) + edge.decay.to(vector) * inner)

    return scaled
