"""The signals that controllers need of an optimizer's updates, measured in torch."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils import get_total_norm

from learnrate._checks import refuse
from learnrate._errors import ArgumentError
from learnrate._gradients import gradient_parts
from learnrate.run._update_meter import parameters_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["SIGNALS", "SignalMeter", "measured_step"]

SIGNALS = frozenset({"inner", "squared", "lr", "descent", "hypergradient", "alignment"})
_OF_TWO_UPDATES = frozenset({"hypergradient", "alignment"})
_DIRECTION = "learnrate_direction"  # in the state of an optimizer, so that checkpoints have it


@dataclass(frozen=True)
class _Products:
    """Inner products over the parameters of an optimizer.

    Attributes:
        inner: <x', d>.
        squared: <d, d>.
        descent: <g, d>.
        gradient: <g, g>.
        successive: <g, p>, p the direction before, over the parameters that have one.
        paired: <g, g> over these.
        previous: <p, p>.
    """

    inner: float
    squared: float
    descent: float
    gradient: float
    successive: float
    paired: float
    previous: float

    def scaled(self, share: float) -> _Products:
        """The same with directions that are multiplied by a share."""
        return _Products(
            inner=share * self.inner,
            squared=share**2 * self.squared,
            descent=share * self.descent,
            gradient=self.gradient,
            successive=share * self.successive,
            paired=self.paired,
            previous=share**2 * self.previous,
        )

    def __add__(self, other: _Products) -> _Products:
        names = [field.name for field in fields(self)]
        return _Products(*(getattr(self, name) + getattr(other, name) for name in names))

    def signals(self, lr: float, gradient_norm: Any) -> dict[str, float]:
        """Those that are known; see `SignalMeter`."""
        clipped = 1.0
        if gradient_norm is not None and self.gradient > 0:
            clipped = max(1.0, float(gradient_norm) / math.sqrt(self.gradient))
        signals = {
            "inner": self.inner,
            "squared": self.squared,
            "lr": lr,
            "descent": clipped * self.descent,
        }
        if self.paired > 0 and self.previous > 0:
            signals["hypergradient"] = -self.successive
            signals["alignment"] = self.successive / math.sqrt(self.paired * self.previous)
        return signals


class SignalMeter:
    """Measures the signals of each update that one or more optimizers make.

    Let x be the trainable parameters before an update, x' after it, g the gradient at x, lr the
    highest rate of the parameter groups, and d = (x - x') / lr, with momentum and weight decay:

        inner = <x', d>,   squared = |d|^2,   descent = <g, d>,   lr

    and, with the direction p of the update before,

        hypergradient = -<g, p>,   alignment = <g, p> / (|g| |p|)

    Args:
        names: the signals to measure, some of `SIGNALS`.
        clips: whether the gradient is clipped between `before` and the update. `descent` is that of
            the gradient before clipping.
    """

    def __init__(self, names: Iterable[str], *, clips: bool = False) -> None:
        self._names, self._clips = frozenset(names), clips
        self._norms: dict[int, float] = {}
        self._before: dict[int, list[torch.Tensor]] = {}
        self._measured: dict[int, tuple[float, _Products]] = {}

    def before(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep the parameters right before an update.

        Raises:
            ArgumentError: a fused optimizer gets its gradients scaled from a GradScaler.
        """
        if getattr(optimizer, "grad_scale", None) is not None:
            raise ArgumentError(
                "controllers need the gradient of an update, which a fused optimizer gets scaled "
                "from a GradScaler. Make the optimizer with fused=False."
            )
        parameters = _trainable(optimizer)
        self._before[id(optimizer)] = [parameter.detach().clone() for parameter in parameters]
        if self._clips:
            self._norms[id(optimizer)] = float(get_total_norm(gradient_parts(parameters)))

    def after(self, optimizer: torch.optim.Optimizer) -> None:
        """Measure right after an update; an update at a rate of 0 has no signals."""
        before = self._before.pop(id(optimizer), [])
        parameters = _trainable(optimizer)
        lr = max(float(group["lr"]) for group in optimizer.param_groups)
        if len(before) != len(parameters) or not before or not lr > 0:
            return
        sums = torch.zeros(len(fields(_Products)), dtype=torch.float64, device=before[0].device)
        for old, parameter in zip(before, parameters, strict=True):
            state = optimizer.state.get(parameter, {})
            direction, products = _products(old, parameter, state.get(_DIRECTION), lr)
            sums += products.to(sums.device)
            if self._names & _OF_TWO_UPDATES and parameter.grad is not None:
                optimizer.state[parameter][_DIRECTION] = direction
        self._measured[id(optimizer)] = lr, _Products(*sums.tolist())

    def discard(self, optimizer: torch.optim.Optimizer) -> None:
        """Forget the measurement of an update that was skipped."""
        for measurements in (self._before, self._measured, self._norms):
            measurements.pop(id(optimizer), None)

    def take(self, gradient_norm: Any = None) -> dict[str, float]:
        """The signals of the last update; empty if there are none.

        Args:
            gradient_norm: the norm before the gradient was clipped; None if it is not known.
                The loss falls along the gradient before clipping, so `descent` is that of this
                one.
        """
        measured = list(self._measured.values())
        self._measured.clear()
        if not measured:
            return {}
        if gradient_norm is None and self._norms:
            gradient_norm = math.hypot(*self._norms.values())
        lr = max(rate for rate, _ in measured)
        first, *others = [products.scaled(rate / lr) for rate, products in measured]
        total = sum(others, first)
        signals = total.signals(lr, gradient_norm)
        return {name: value for name, value in signals.items() if name in self._names}

    def close(self, optimizer: torch.optim.Optimizer) -> None:
        """Remove the kept direction from the state of an optimizer."""
        self.discard(optimizer)
        for parameter in _trainable(optimizer):
            if parameter in optimizer.state:
                optimizer.state[parameter].pop(_DIRECTION, None)


@contextmanager
def measured_step(
    optimizer: torch.optim.Optimizer, names: Iterable[str] = ("inner", "squared", "lr")
) -> Iterator[dict[str, float]]:
    """Measure the update an optimizer makes inside the block, for a loop without a run.

    Let x be the trainable parameters before the update, x' after it, g the gradient, and lr the
    highest rate of the parameter groups. Then d = (x - x') / lr, including momentum and weight
    decay. The dictionary is filled when the block ends, with those of the following that are named:

        inner = <x', d>,   squared = |d|^2,   descent = <g, d>,   lr
        hypergradient = -<g, p>,   alignment = <g, p> / (|g| |p|),   p the d of the update before

    The last two are missing at the first update. They keep p in the state of the optimizer, so that
    a checkpoint has it.

    Memory: one copy of the trainable parameters, a second one for p, and temporaries of the largest
    of them. Cost: three passes over the parameters, and one wait for the device. Sums are in double
    precision. The difference x - x' has the precision of the parameters, so an update below the
    resolution of half precision counts as none. If parameters are split over processes (FSDP),
    the products cover the parameters of this process: add them up over all processes.

    Args:
        optimizer: whose update is measured.
        names: the signals to measure: `controller.needs`, for example.

    Raises:
        ArgumentError: a name is unknown, or the optimizer has no rate above 0, or no trainable
            parameter; no update was made.

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
    names = frozenset(names)
    if not names <= SIGNALS:
        refuse("measured_step", "names", f"some of {', '.join(sorted(SIGNALS))}", sorted(names))
    lr = max(float(group["lr"]) for group in optimizer.param_groups)
    if not lr > 0:
        raise ArgumentError(
            f"measured_step(optimizer) needs a rate above 0; the highest is {lr}. "
            "Call it only after updates whose rate is above 0."
        )
    if not _trainable(optimizer):
        raise ArgumentError("measured_step(optimizer) needs a trainable parameter; there is none.")
    meter = SignalMeter(names)
    meter.before(optimizer)
    signals: dict[str, float] = {}
    yield signals
    meter.after(optimizer)
    signals.update(meter.take())


def _trainable(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for parameter in parameters_of(optimizer) if parameter.requires_grad]


def _products(
    before: torch.Tensor, parameter: torch.Tensor, previous: torch.Tensor | None, lr: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The direction of an update in the precision of the parameter, and the sums of `_Products`."""
    dtype = torch.promote_types(before.dtype, torch.float32)
    after = parameter.detach().to(dtype)
    direction = before.to(dtype).sub_(after).div_(lr)
    gradient = parameter.grad
    if gradient is None:
        pairs = [(direction, after), (direction, direction)]
    else:
        dense = gradient.detach().to_dense() if gradient.is_sparse else gradient.detach()
        dense = dense.to(dtype)
        pairs = [(direction, after), (direction, direction), (dense, direction), (dense, dense)]
        if previous is not None:
            last = previous.to(dtype)
            pairs += [(dense, last), (dense, dense), (last, last)]
    sums = [(left * right).sum(dtype=torch.float64) for left, right in pairs]
    sums += [sums[0].new_zeros(())] * (len(fields(_Products)) - len(sums))
    return direction.to(before.dtype), torch.stack(sums)
