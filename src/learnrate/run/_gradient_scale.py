"""The factor of a mean loss in a backward pass, worked out from the gradient at its inputs. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

__all__ = ["Sample", "entropy_scale", "has_distinct_targets", "sampled"]

_MOST_NUMBERS = 2**20  # numbers of a sample
_LEAST_PLACES = 8  # least size of each dimension of a sample, except that of the classes
_CLEAR = 1e-2  # norm of softmax(z) - target from which on rounding does not matter
_EXACT = 2e-3  # relative difference of equal numbers, in single precision
_LEAST_NUMBERS = 4  # equal numbers that identify a binary cross-entropy


@dataclass(frozen=True)
class Sample:
    """Some outputs of a model.

    Attributes:
        classes: the dimension that is taken for that of classes; None if each output is a number of its
            own.
        outputs: the sampled ones, with the classes in the last dimension.
    """

    classes: int | None
    outputs: torch.Tensor

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """The same places of a tensor of the shape of all outputs, in single precision."""
        return _places(tensor, self.classes).float()


def sampled(outputs: torch.Tensor) -> list[Sample]:
    """Copies of some outputs, for each dimension that may be the dimension of classes.

    Args:
        outputs: the outputs of a model, with examples in the first dimension.
    """
    last = outputs.ndim - 1
    dimensions = [d for d in dict.fromkeys((last, 1)) if 0 < d <= last and outputs.shape[d] > 1]
    samples = [Sample(None, _places(outputs, None).float().clone())]
    return samples + [Sample(d, _places(outputs, d).float().clone()) for d in dimensions]


def entropy_scale(sample: Sample, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The factor that a mean cross-entropy on logits was multiplied by, and whether its targets differ.

    Let z be the logits, s the factor, and n the examples with a target. The gradient of an example of
    class t is s / n (softmax(z) - onehot(t)), and that of a binary target y is s / n (sigmoid(z) - y).
    The target is where the gradient is negative, so both give s.

    Args:
        sample: a sample of the logits.
        gradient: the gradient at all logits.

    Returns:
        The factor, NaN if the loss was another one; whether the targets are not all the same.
    """
    if sample.classes is None:
        return _binary_scale(sample, gradient)
    logits, logit_gradient = sample.outputs.flatten(0, -2), sample.of(gradient).flatten(0, -2)
    target, has_target = logit_gradient.argmin(1), (logit_gradient != 0).any(1)
    chances = logits.softmax(1)
    direction = chances - torch.nn.functional.one_hot(target, logits.shape[1])
    squares = direction.square().sum(1)
    factors = (logit_gradient * direction).sum(1) / squares
    rest = torch.linalg.vector_norm(logit_gradient - factors[:, None] * direction, dim=1)
    exact = _tolerance(gradient)
    is_clear = has_target & (squares > _CLEAR**2)
    is_entropy = (rest <= exact * torch.linalg.vector_norm(logit_gradient, dim=1)) | ~is_clear
    factor = _common(factors, is_clear, exact)
    examples = ((gradient.amin(sample.classes) < 0) | (gradient.amax(sample.classes) > 0)).sum()
    is_counted = has_target | (chances.amax(1) < 1)  # certain logits look like an ignored target
    scale = torch.where((is_entropy & is_counted).all(), factor * examples, math.nan)
    return scale, _differ(target.float(), has_target)


def has_distinct_targets(sample: Sample, gradient: torch.Tensor) -> torch.Tensor:
    """Whether targets of a mean squared error differ, if the error was multiplied by 1.

    Args:
        sample: a sample of the predictions, one number for each.
        gradient: the gradient at all predictions.
    """
    errors = sample.of(gradient) * (0.5 * gradient.numel())
    targets = sample.outputs - errors
    return targets.amax() - targets.amin() > _CLEAR * errors.abs().amax()


def _binary_scale(sample: Sample, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    output_gradient = sample.of(gradient).flatten()
    target = (output_gradient < 0).float()
    direction = sample.outputs.flatten().sigmoid() - target
    has_target = output_gradient != 0
    is_clear = has_target & (direction.abs() > _CLEAR)
    factor = _common(output_gradient / direction, is_clear, _tolerance(gradient))
    numbers = torch.count_nonzero(gradient)
    scale = torch.where(is_clear.sum() >= _LEAST_NUMBERS, factor * numbers, math.nan)
    return scale, _differ(target, has_target)


def _common(factors: torch.Tensor, is_clear: torch.Tensor, exact: float) -> torch.Tensor:
    """The mean of the factors that `is_clear` selects, if they are equal; else NaN."""
    low = torch.where(is_clear, factors, math.inf).min()
    high = torch.where(is_clear, factors, -math.inf).max()
    mean = torch.where(is_clear, factors, 0.0).sum() / is_clear.sum()
    return torch.where((high - low <= 2 * exact * mean) & (low > 0), mean, math.nan)


def _differ(targets: torch.Tensor, is_counted: torch.Tensor) -> torch.Tensor:
    """Whether the counted targets, numbers of at least 0, are not all the same."""
    low = torch.where(is_counted, targets, math.inf).min()
    return torch.where(is_counted, targets, -1.0).max() > low


def _tolerance(gradient: torch.Tensor) -> float:
    return max(_EXACT, 4.0 * torch.finfo(gradient.dtype).eps)


def _places(tensor: torch.Tensor, classes: int | None) -> torch.Tensor:
    """Evenly spaced places of all dimensions except the classes', which comes last."""
    tensor = tensor.detach()
    tensor = tensor.unsqueeze(-1) if classes is None else tensor.movedim(classes, -1)
    wide = max(1, tensor.ndim - 1)
    places = max(2, min(_LEAST_PLACES, int((_MOST_NUMBERS / tensor.shape[-1]) ** (1 / wide))))
    if wide == 1:
        places = max(2, min(_LEAST_PLACES**2, _MOST_NUMBERS // tensor.shape[-1]))
    steps = [slice(None, None, max(1, size // places)) for size in tensor.shape[:-1]]
    return tensor[tuple(steps)]
