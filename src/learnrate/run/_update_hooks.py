"""Hooks around every `optimizer.step()`: rates are set before it, and the update is measured after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from learnrate.run._rates import RateWriter
    from learnrate.run._recording import Recording
    from learnrate.run._signals import SignalMeter

__all__ = ["ATTACHED", "UpdateHooks"]

ATTACHED = "_learnrate_run"  # attribute of an optimizer: the run that writes its rates


class UpdateHooks:
    """The hooks of a run in its optimizers, which are marked as its own.

    Args:
        run: whose hooks they are.
        optimizers: the optimizers that it trains with.
        rates: written before every update.
        recording: measures every update.
        signals: measured for controllers; None for none.
        next_step: returns the step of the update about to happen.

    Attributes:
        updated: whether an update was made since the run last set this to False.
    """

    def __init__(
        self,
        run: object,
        optimizers: Sequence[Optimizer],
        *,
        rates: RateWriter,
        recording: Recording,
        signals: SignalMeter | None,
        next_step: Callable[[], int],
    ) -> None:
        self.updated = False
        self._run, self._optimizers = run, tuple(optimizers)
        self._rates, self._recording, self._signals = rates, recording, signals
        self._next_step = next_step
        self._handles = self._register()

    @property
    def active(self) -> bool:
        """Whether the hooks are still in the optimizers."""
        return bool(self._handles)

    def remove(self) -> None:
        """Remove the hooks and the mark from the optimizers, and leave the rates as they are."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        for index, optimizer in enumerate(self._optimizers):
            self._rates.after(index)
            if self._signals is not None:
                self._signals.close(optimizer)
            if getattr(optimizer, ATTACHED, None) is self._run:
                delattr(optimizer, ATTACHED)

    def _register(self) -> list[RemovableHandle]:
        handles = []
        for index, optimizer in enumerate(self._optimizers):
            setattr(optimizer, ATTACHED, self._run)
            before, after = self._hooks_of(index)
            handles.append(optimizer.register_step_pre_hook(before))
            handles.append(optimizer.register_step_post_hook(after))
        return handles

    def _hooks_of(self, index: int) -> tuple[Callable[..., None], Callable[..., None]]:
        rates, recording, signals = self._rates, self._recording, self._signals

        def before(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
            rates.before(index)
            if signals is not None:
                signals.before(optimizer)
            if recording.is_due:
                recording.before(optimizer, self._next_step())

        def after(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
            if signals is not None:
                signals.after(optimizer)  # before the rate of an external scheduler is set again
            rates.after(index)
            if _has_overflowed(optimizer):
                recording.discard(optimizer)
                return
            if recording.is_due:
                recording.after(optimizer, self._next_step())
            self.updated = True

        return before, after


def _has_overflowed(optimizer: Optimizer) -> bool:
    """Whether a GradScaler let a fused optimizer skip its update."""
    found_inf = getattr(optimizer, "found_inf", None)
    return found_inf is not None and bool(found_inf.item())
