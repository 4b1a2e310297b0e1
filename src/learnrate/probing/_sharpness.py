"""The sharpness: the largest curvature of the loss, compared with the edge of stability."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from learnrate._errors import ArgumentError
from learnrate.probing._edges import edge_of
from learnrate.probing._fork import check_model, check_optimizer, forked, now, trainable
from learnrate.probing._hessian import differentiable, hessian
from learnrate.probing._lanczos import largest_eigenpair
from learnrate.probing._result import ProbeResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn
    from torch.optim import Optimizer

    from learnrate.probing._edges import Edge

__all__ = ["Sharpness", "sharpness"]

_LOW_RATIO = 0.3
_CAVEAT = (
    "With small batches, gradient noise limits the rate before curvature does, so do not raise it "
    "for this reason alone."
)


@dataclass(frozen=True, kw_only=True)
class Sharpness(ProbeResult):
    """The curvature of the loss along its sharpest direction, and what it means for the rate.

        ratio = lr * eigenvalue / limit

    Attributes:
        eigenvalue: the largest eigenvalue of the Hessian H; of P^-1 H with Adam or RMSprop, whose P
            scales the gradient. Weight decay that is added to the gradient is included. If the
            groups' rates differ, each group is weighted by its share of the highest rate.
        preconditioned: whether it is the eigenvalue of P^-1 H.
        lr: the optimizer's highest rate; None without an optimizer.
        limit: the rate times the eigenvalue above which the optimizer is unstable: 2 for gradient
            descent, 2 + 2b with momentum b, 38 for Adam at b1 = 0.9; None if unknown.
        ratio: 1 at the edge of stability; None if the limit is unknown.
        error: an eigenvalue of the Hessian lies within this distance of `eigenvalue`.
        products: how many Hessian-vector products were computed.
        converged: whether `error` is within the tolerance.
        vector: the direction, of length 1; pass it as `start` to the next measurement.
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
        """The rate that is at the edge of stability for this curvature; None if unknown."""
        known = self.limit is not None and self.eigenvalue > 0
        return self.limit / self.eigenvalue if known and self.limit is not None else None

    @property
    def words(self) -> str:
        """The sharpness compared with the stability limit of the optimizer, in words."""
        quantity = "preconditioned sharpness" if self.preconditioned else "sharpness"
        text = f"The {quantity} is {self.eigenvalue:.3g}"
        if not self.converged:
            text += f" (within {self.error:.2g}: not converged)"
        if self.ratio is None or self.lr is None or self.limit is None:
            return f"{text}; the stability limit of this optimizer is not known."
        text += f": rate times sharpness is {self.lr * self.eigenvalue:.3g}, "
        text += f"{self.ratio:.2g} of the stability limit of {self.limit:.3g}. "
        if self.ratio < _LOW_RATIO:
            return f"{text}The curvature leaves room to raise the rate. {_CAVEAT}"
        if self.ratio <= 1.0:
            return f"{text}This is the normal range."
        return (
            f"{text}This is beyond the edge of stability. Full-batch training hovers at the edge by "
            "itself; if the ratio stays above 1 and the loss oscillates, the rate is too high."
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
    extra_state: Iterable[Any] = (),
) -> Sharpness:
    """Measure the largest eigenvalue of the loss's Hessian on a batch, and compare it with the rate.

    The eigenvalue is computed by Lanczos iteration with Hessian-vector products. With an optimizer,
    coordinates are scaled as it scales them, and the result says how far the rate is from the edge
    of stability. The training is left as it was: see `what_if`.

    Memory: `memory` vectors of the size of the weights, and the graph of one gradient.

    Args:
        model: the model that is trained, in its present mode. Under DDP, `model.module` on one rank.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        batch: a large one, because a small batch's Hessian is sharper than that of the whole loss.
            Use the same batch for measurements that are compared.
        optimizer: its rate is compared with the curvature.
        start: a direction to start from, or the previous result, with which few products suffice.
        tolerance: stop when the error is at most this share of the eigenvalue. The eigenvalue itself
            is usually much more accurate, because its error falls with the square.
        products: the most Hessian-vector products.
        memory: how many vectors are held at a time, at least 5.
        extra_state: further objects whose state changes when the loss is computed.

    Raises:
        ArgumentError: a value is outside its rule, the optimizer has not updated yet, or its groups
            differ in momentum.
        TaskError: the loss is not a tensor of one finite number, or its gradient cannot be
            differentiated.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> curvatures = torch.tensor([1.0, 3.0])
        >>> def loss_of(model, batch):
        ...     return 0.5 * (batch * model.weight.square()).sum()
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> edge = sharpness(model, loss_of, curvatures, optimizer)
        >>> round(edge.eigenvalue, 4), round(edge.ratio, 4), round(edge.edge_lr, 4)
        (3.0, 0.75, 0.6667)
    """
    check_model("sharpness", model)
    optimizer = None if optimizer is None else check_optimizer("sharpness", optimizer)
    _check("products", products, 1)
    _check("memory", memory, 5)
    if not 0 < tolerance < 1:
        raise ArgumentError(
            f"sharpness(tolerance=...) must lie between 0 and 1; got {tolerance}. "
            "A smaller one needs more Hessian-vector products."
        )
    parameters = trainable(model)
    edge = None if optimizer is None else edge_of(optimizer, parameters)
    first = _start(start, parameters)
    began = now()
    with forked(model, None, extra_state), differentiable():
        product = hessian("sharpness", loss_of, model, batch, parameters)
        eigenpair = largest_eigenpair(
            product if edge is None else _scaled(product, edge),
            first,
            tolerance=tolerance,
            products=products,
            memory=memory,
        )
    limit = None if edge is None else edge.limit
    known = edge is not None and limit is not None
    return Sharpness(
        eigenvalue=eigenpair.value,
        preconditioned=edge is not None and edge.preconditioned,
        lr=None if edge is None else edge.lr,
        limit=limit,
        ratio=edge.lr * eigenpair.value / limit if known and edge and limit else None,
        error=eigenpair.error,
        products=eigenpair.products,
        converged=eigenpair.error <= tolerance * abs(eigenpair.value),
        vector=eigenpair.vector,
        cost=1.0 + 2.0 * eigenpair.products,
        seconds=now() - began,
    )


def _check(argument: str, value: int, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ArgumentError(
            f"sharpness({argument}=...) must be a whole number, at least {least}; got {value!r}."
        )


def _start(start: torch.Tensor | Sharpness | None, parameters: list[nn.Parameter]) -> torch.Tensor:
    dtype = torch.float32
    for parameter in parameters:
        dtype = torch.promote_types(dtype, parameter.dtype)
    size = sum(parameter.numel() for parameter in parameters)
    if start is None:
        generator = torch.Generator().manual_seed(0)  # leaves the training's generators alone
        return torch.randn(size, generator=generator, dtype=dtype).to(parameters[0].device)
    vector = start.vector if isinstance(start, Sharpness) else start
    if vector.shape != (size,) or not vector.any():
        raise ArgumentError(
            f"sharpness(start=...) must be a vector of the {size} trainable weights, not all 0; "
            f"got shape {tuple(vector.shape)}."
        )
    return vector.detach().to(parameters[0].device, dtype)


def _scaled(
    product: Callable[[torch.Tensor], torch.Tensor], edge: Edge
) -> Callable[[torch.Tensor], torch.Tensor]:
    """P^-1/2 (H + decay) P^-1/2: symmetric, with the eigenvalues of P^-1 (H + decay)."""
    root = edge.scale.sqrt()

    def scaled(vector: torch.Tensor) -> torch.Tensor:
        inner = root.to(vector) * vector
        return root.to(vector) * (product(inner) + edge.decay.to(vector) * inner)

    return scaled
