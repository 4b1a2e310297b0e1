"""Inspects some of an optimizer's updates for faults of data and training code."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from learnrate._sharded import is_sharded
from learnrate.run._class_meter import ClassMeter
from learnrate.run._decay_meter import DecayMeter, StateMeter
from learnrate.run._gradient_coverage import GradientCoverage
from learnrate.run._input_meter import InputMeter
from learnrate.run._kept_gradient import KeptGradient
from learnrate.run._module_hook import is_captured
from learnrate.run._pass_scales import PassScales
from learnrate.run._update_meter import parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn
    from torch.optim import Optimizer

__all__ = ["Inspection"]

_GROWTH = 1.3  # factor of the updates from one look to the next
_COVERAGE_LOOKS = 512  # looks over the whole run at tensors that had no gradient yet


class Inspection:
    """Inspects some updates of one optimizer; nothing of the training is changed.

    Args:
        model: whose inputs and outputs are looked at; None to leave them out.
        criterion: the loss module, whose classes are counted, and the scale of whose losses is read;
            None to leave them out.
        total_steps: updates of the whole run; None if unknown.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        criterion: nn.Module | None = None,
        total_steps: int | None = None,
    ) -> None:
        self._model = model
        self._classes = ClassMeter(criterion)
        self._scales = PassScales(model, criterion)
        self._stride = max(1, (total_steps or 0) // _COVERAGE_LOOKS)
        self._comparison: KeptGradient | None = None
        self._inputs: InputMeter | None = None
        self.restart(0)

    def restart(self, step: int) -> None:
        """Begin at a step, as after a resume.

        Args:
            step: the update about to happen.
        """
        self._close_looks()
        self._first, self._next = step, float(step)
        self._coverage = GradientCoverage()
        self._coverage_next = float(step)
        self._coverage_due = 1
        self._accumulates = False  # whether the last update that was looked at had several passes
        self._decay = DecayMeter()
        self._state = StateMeter() if step > 0 else None
        self._comparison = None
        self._inputs = None if self._model is None else InputMeter(self._model)
        self._is_look = False
        if self._inputs is not None:
            self._try(self._inputs.begin)

    def close(self) -> None:
        """Remove all hooks from the model, which is then as before."""
        self._classes.close()
        self._close_looks()

    def _close_looks(self) -> None:
        for meter in (self._comparison, self._inputs, self._scales):
            if meter is not None:
                meter.close()

    def due_after(self, step: int) -> float:
        """The next update after one that is inspected, or that comes before an inspection."""
        return max(step + 1, min(self._next - 1, self._coverage_next))

    def before(self, optimizer: Optimizer, step: int) -> Mapping[str, Any]:
        """Called right before an update; the columns of a look, which are empty between looks.

        Args:
            optimizer: about to make the update.
            step: the step of the update.
        """
        if (step < self._next and step < self._coverage_next) or is_captured():
            return {}
        columns: dict[str, Any] = {}
        if step >= self._coverage_next:
            self._try(lambda: self._cover(optimizer, step, columns))
        if step >= self._next:
            self._is_look = True
            self._next = step + max(1, math.ceil((_GROWTH - 1.0) * (step - self._first)))
            self._try(lambda: self._look(optimizer, columns))
        return columns

    def after(self, optimizer: Optimizer, step: int) -> Mapping[str, Any]:
        """Called right after an update; further columns of its look.

        Args:
            optimizer: made the update.
            step: the step of the update.
        """
        columns: dict[str, Any] = {}
        if self._is_look:
            self._is_look = False
            self._try(lambda: self._look_after(optimizer, columns))
        if step + 1 >= self._next and not is_captured():
            self._try(lambda: self._begin(optimizer))
        return columns

    def after_loss(self, loss: Any) -> Mapping[str, Any]:
        """Called after an update that was looked at; further columns of its loss.

        Args:
            loss: the loss, as `run.step` gets it.
        """
        return self._scales.of_loss(loss)

    def discard(self) -> None:
        """Called after an update that was skipped."""
        self._is_look = False

    def _cover(self, optimizer: Optimizer, step: int, columns: dict[str, Any]) -> None:
        """Look at tensors that had no gradient so far."""
        so_far = self._coverage.look(parameters_of(optimizer))
        is_over = self._coverage.is_complete or self._coverage.looks >= 2 * _COVERAGE_LOOKS
        if is_over or self._coverage.looks >= self._coverage_due:
            columns |= so_far
            self._coverage_due = math.ceil(_GROWTH * self._coverage.looks)
        self._coverage_next = math.inf if is_over else step + self._stride

    def _look(self, optimizer: Optimizer, columns: dict[str, Any]) -> None:
        if any(is_sharded(parameter) for parameter in parameters_of(optimizer)):
            self._next = self._coverage_next = math.inf
            return
        if self._comparison is not None:
            passes, answer = self._comparison.passes, self._comparison.end()
            columns |= self._scales.end(passes, self._comparison.factor)
            self._comparison, self._accumulates = None, passes > 1
            columns |= {} if answer is None else {"kept_gradient": answer}
            if answer == 0.0:  # the gradient comes from these passes alone
                columns["backward_passes"] = float(passes)
        if self._inputs is not None:
            columns |= self._inputs.end()
        columns |= self._classes.columns()
        columns |= self._decay.before(optimizer)
        if self._state is not None:
            self._state.before(optimizer)

    def _look_after(self, optimizer: Optimizer, columns: dict[str, Any]) -> None:
        columns |= self._decay.after(optimizer)
        if self._state is not None:
            columns |= self._state.after(optimizer)
            self._state = None

    def _begin(self, optimizer: Optimizer) -> None:
        """Prepare the look at the next update."""
        self._comparison = KeptGradient(parameters_of(optimizer))
        if self._accumulates:
            self._scales.begin()
        if self._inputs is not None:
            self._inputs.begin()

    def _try(self, measure: Callable[[], None]) -> None:
        """Measure; if that fails, the measurement is left out from now on."""
        try:
            with torch.no_grad():
                measure()
        except (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError):
            self.close()
            self._next = self._coverage_next = math.inf
