"""A sample of a model's weights, and their distance from the initial weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "FirstWeights",
    "distance_unit",
    "odd_stride",
    "sample_stride",
    "usual_square",
    "weight_sample",
]

_MOST_WEIGHTS = 16_384  # weights of a sample
_LEAST_SQUARE_SHARE = 0.01  # weights with less than this share of the usual mean square start at 0


class FirstWeights:
    """The initial weights, from which the distance of later weights is measured.

    A sample is kept, of at most 16,384 weights and 8,192 more. Nothing of the training is changed,
    and no random number is drawn.

    Args:
        parameters: the parameters that are trained.
    """

    def __init__(self, parameters: Sequence[torch.Tensor]) -> None:
        self._parameters = parameters
        self._first = self._sample()

    def distance(self) -> float | None:
        """The distance of the weights from the initial weights, over the norm of these.

        If the usual norm of such matrices is higher, the distance is divided by that. None if the
        weights cannot be sampled, are not finite, or started at 0.
        """
        now = self._sample()
        if self._first is None or now is None:
            return None
        unit = distance_unit(float(self._first.square().sum()), usual_square(self._parameters))
        moved = float((now - self._first).norm())
        return moved / math.sqrt(unit) if unit > 0.0 and math.isfinite(moved) else None

    def _sample(self) -> torch.Tensor | None:
        if not self._parameters:
            return None
        try:
            with torch.no_grad():
                return weight_sample(self._parameters)
        except (RuntimeError, NotImplementedError, TypeError, ValueError):  # of unusual tensors
            return None


def weight_sample(parameters: Sequence[torch.Tensor], *, gradient: bool = False) -> torch.Tensor:
    """Evenly spaced weights, or their gradients, of the tensors on the first tensor's device.

    Args:
        parameters: at least one.
        gradient: sample the gradients; one that is missing counts as 0.
    """
    chosen, stride = _on_one_device(parameters)
    parts = []
    for parameter in chosen:
        tensor = parameter.grad if gradient else parameter.detach()
        if tensor is None:
            tensor = torch.zeros_like(parameter)
        if tensor.is_complex():
            tensor = torch.view_as_real(tensor)
        parts.append(tensor.reshape(-1)[::stride].to(torch.float32))
    return torch.cat(parts)


def sample_stride(parameters: Sequence[torch.Tensor]) -> int:
    """The number of weights from one sampled weight to the next."""
    return _on_one_device(parameters)[1]


def usual_square(parameters: Sequence[torch.Tensor]) -> float:
    """The square of the norm that the sampled weights would have if matrices had variance 1 / inputs."""
    chosen, stride = _on_one_device(parameters)
    return float(sum(parameter.shape[0] / stride for parameter in chosen if parameter.ndim > 1))


def distance_unit(first_square: float, usual: float) -> float:
    """The square of the norm of the initial weights, or the usual one if that is higher.

    Matrices usually start at a standard deviation of about 1 / sqrt(inputs). Weights that start at 0
    have no norm to compare with: then it is 0.
    """
    return 0.0 if first_square < _LEAST_SQUARE_SHARE * usual else max(first_square, usual)


def _on_one_device(parameters: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], int]:
    """The tensors on the first tensor's device, and the stride by which they are sampled."""
    device = parameters[0].device
    chosen = [
        parameter for parameter in parameters if parameter.device == device and parameter.numel()
    ]
    return chosen, odd_stride(sum(parameter.numel() for parameter in chosen), _MOST_WEIGHTS)


def odd_stride(count: int, most: int) -> int:
    """The stride that takes at most `most` of `count` weights.

    It is odd, because an even stride would take the same columns of most matrices.
    """
    stride = math.ceil(count / most)
    return stride + (stride + 1) % 2
