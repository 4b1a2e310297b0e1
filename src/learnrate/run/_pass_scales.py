"""The factors of the mean losses of an update's backward passes, as with accumulated gradients."""

from __future__ import annotations

import math
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from learnrate.run._gradient_scale import Sample, entropy_scale, has_distinct_targets, sampled
from learnrate.run._loss_graph import is_mean, operation_of, squared_error
from learnrate.run._module_hook import ModuleHook, is_compiled, tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

__all__ = ["PassScales"]

_ERRORS = (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError, IndexError)
_EQUAL = 0.02  # relative difference of the scales of an update's passes
_MOST_OUTPUTS = 4


class PassScales:
    """Reads the scale of each loss from gradients, with hooks that are removed before the update.

    The gradient at what a criterion returns is the scale. Without one, a cross-entropy on logits shows
    it in the gradient at the model's outputs, see `entropy_scale`, and a mean squared error in its
    value and the size of this gradient.

    Args:
        model: whose outputs are inspected; None to leave them out. Only a weak reference is kept.
        criterion: the loss module; None to leave it out. Only a weak reference is kept.
    """

    def __init__(self, model: nn.Module | None, criterion: nn.Module | None) -> None:
        looks = ((model, self._look_at_outputs), (criterion, self._look_at_loss))
        self._modules: list[tuple[weakref.ref[nn.Module], Callable[..., None]]] = [
            (weakref.ref(module), look) for module, look in looks if module is not None
        ]
        self._handles: list[Any] = []
        self._outputs: list[_Pass] = []
        self._losses: list[_Pass] = []
        self._squares: tuple[list[_Squares], float] | None = None

    def begin(self) -> None:
        """Look at the passes from now on."""
        self.close()
        for reference, look in self._modules:
            module = reference()
            if module is not None and not is_compiled(module):
                self._handles.append(module.register_forward_hook(ModuleHook(look)))

    def close(self) -> None:
        """Remove the hooks from the modules, which are then as before."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._outputs, self._losses = [], [], []

    def end(self, passes: int, factor: float | None) -> Mapping[str, Any]:
        """Right before the update: the columns of the scale; none if passes cannot be told apart.

        Args:
            passes: backward passes since `begin`.
            factor: the gradient of the update over the sum of those of the passes, as with a GradScaler;
                None if it is not known.
        """
        losses = [looked for looked in self._losses if looked.scales]
        outputs = [looked for looked in self._outputs if looked.scales]
        self.close()
        self._squares = None
        if passes < 2 or factor is None:
            return {}
        columns = {}
        for looks in (
            outputs,
            losses,
        ):  # losses come last: they are closer to the scale, so they win
            if len(looks) == passes and not any(looked.is_repeated for looked in looks):
                scale = _common(looks, factor)
                columns = {"pass_scale": scale, "backward_passes": float(passes)}
        squares = [looked.squares for looked in outputs if len(looked.scales) == 1]
        if len(squares) == len(outputs) == passes:
            self._squares = [square for square in squares if square is not None], factor
        return columns

    def of_loss(self, loss: Any) -> Mapping[str, Any]:
        """After the update: the column, if its loss is a mean squared error of the model's outputs.

        Args:
            loss: the loss, as `run.step` gets it.
        """
        squares, self._squares = self._squares, None
        if squares is None:
            return {}
        with suppress(*_ERRORS), torch.no_grad():
            scale = _error_scale(squares[0], loss)
            return {} if scale is None else {"pass_scale": scale * squares[1]}
        return {}

    def _look_at_outputs(self, _model: nn.Module, _args: Any, outputs: Any) -> None:
        looked = _Pass()
        for tensor in list(tensors_in([outputs]))[:_MOST_OUTPUTS]:
            # A loss among the outputs, a tensor of one element, may be a sum over all passes.
            if tensor.requires_grad and tensor.is_floating_point() and tensor.numel() > 1:
                with suppress(*_ERRORS), torch.no_grad():
                    looked.follow_outputs(tensor)
        self._outputs.append(looked)

    def _look_at_loss(self, criterion: nn.Module, args: Any, loss: Any) -> None:
        if not isinstance(loss, torch.Tensor) or not loss.requires_grad or loss.numel() != 1:
            return
        looked = _Pass()
        with suppress(*_ERRORS), torch.no_grad():
            if getattr(criterion, "reduction", None) == "mean" or is_mean(loss):
                looked.follow_loss(loss, args)
        self._losses.append(looked)


class _Squares:
    """The gradient of a pass at an output, as a mean squared error has it.

    Args:
        sample: a sample of the output.
        gradient: the gradient at the output.
        operation: the operation that computed the output.
    """

    def __init__(self, sample: Sample, gradient: torch.Tensor, operation: str) -> None:
        self.about = gradient.numel(), operation
        self.square = torch.linalg.vector_norm(gradient, dtype=torch.float32).square()
        self.has_distinct_targets = has_distinct_targets(sample, gradient)


class _Pass:
    """What a forward pass computed, and the gradients that came back to it.

    Attributes:
        scales: the scale read from each gradient, a 0-dimensional tensor; -inf where it is not known.
        differ: for each gradient, whether the targets of the loss are not all the same.
        is_repeated: whether one place had a gradient twice, so that there were two losses.
        squares: the squares of the last gradient at an output.
    """

    def __init__(self) -> None:
        self.scales: list[torch.Tensor] = []
        self.differ: list[torch.Tensor] = []
        self.is_repeated = False
        self.squares: _Squares | None = None

    def follow_loss(self, loss: torch.Tensor, arguments: Sequence[Any]) -> None:
        """Read the gradient at a loss that is a mean.

        Args:
            loss: a loss of one element.
            arguments: the arguments of the loss, of which the targets are the second.
        """
        targets = [tensor for tensor in arguments[1:] if isinstance(tensor, torch.Tensor)]
        if targets:
            differ = (targets[0] != targets[0].flatten()[:1]).any()
            self._follow(loss, lambda scale: (scale.reshape(()), differ))

    def follow_outputs(self, outputs: torch.Tensor) -> None:
        """Read the gradient at outputs of the model."""
        samples, operation = sampled(outputs), operation_of(outputs)

        def scale_of(gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self.squares = _Squares(samples[0], gradient, operation)
            scales, differ = zip(
                *(entropy_scale(sample, gradient) for sample in samples), strict=True
            )
            known = torch.stack(scales)
            return known.nan_to_num(-math.inf).max(), (torch.stack(differ) & ~known.isnan()).any()

        self._follow(outputs, scale_of)

    def _follow(
        self,
        tensor: torch.Tensor,
        scale_of: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    ) -> None:
        looks = 0

        def look(gradient: torch.Tensor) -> None:
            nonlocal looks
            looks += 1
            self.is_repeated = self.is_repeated or looks > 1
            scale = gradient.new_full((), -math.inf, dtype=torch.float32)
            differ = gradient.new_zeros((), dtype=torch.bool)
            with suppress(*_ERRORS), torch.no_grad():
                scale, differ = scale_of(gradient.detach())
            self.scales.append(scale.float())
            self.differ.append(differ)

        tensor.register_hook(look)


def _common(passes: Sequence[_Pass], factor: float) -> torch.Tensor:
    """The scale of all passes; 0 if scales differ, one is not known, or no targets differ.

    Scales that add up to 1 may differ, as with sums over the tokens of all passes. If the targets of each
    pass are equal, the passes may have different losses, such as those of a discriminator on real and on
    generated data.

    Args:
        passes: the passes of one update.
        factor: multiplies all scales.
    """
    stacked = [torch.stack(looked.scales) for looked in passes]
    low = torch.stack([torch.where(scales > 0, scales, math.inf).min() for scales in stacked])
    high = torch.stack([scales.max() for scales in stacked])
    differ = torch.stack([torch.stack(looked.differ).any() for looked in passes]).any()
    scale = high.mean() * factor
    is_known = differ & (low.max() < math.inf) & (high - low <= _EQUAL * high).all()
    is_common = high.max() - high.min() <= _EQUAL * high.max()
    are_shares = (len(passes) * scale - 1.0).abs() <= _EQUAL
    return torch.where(is_known & (is_common | are_shares), scale, 0.0)


def _error_scale(passes: Sequence[_Squares], loss: Any) -> torch.Tensor | None:
    """The factor that a mean squared error was multiplied by; None for other losses.

    Let r be the errors of n numbers, L the mean of r^2, and s the factor. The gradient g at the
    predictions is 2 s r / n, so that s^2 = n |g|^2 / (4 L).

    Args:
        passes: the passes with the gradients at the predictions.
        loss: the loss of the last pass, or the mean over all passes.
    """
    error = squared_error(loss)
    if error is None or error[0] not in {1, len(passes)}:
        return None
    count, numbers, operation = error
    last_passes = passes[-count:]
    if any(squares.about != (numbers, operation) for squares in last_passes):
        return None
    square = torch.stack([squares.square for squares in last_passes]).mean()
    differ = torch.stack([squares.has_distinct_targets for squares in last_passes]).any()
    scale = (numbers * square / (4.0 * loss.detach().float().reshape(()))).sqrt()
    return torch.where(differ & scale.isfinite(), scale, 0.0)
