"""Snapshots: the state of a training before some updates, a few of them, to go back to."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from learnrate._errors import FileError
from learnrate._ranks import rank_and_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn
    from torch.optim import Optimizer

__all__ = ["Snapshots"]


class Snapshots:
    """Weights, optimizers and what else is registered, by the step about to happen.

    Those that are taken by themselves form a ring; those that were asked for stay. In memory they
    lie in the machine's own, not on an accelerator; in a folder each is a file, whole or not there.

    Args:
        optimizers: whose state and parameters are kept.
        model: whose state is kept too, buffers included; without one, the optimizers' parameters.
        also: by name, further objects with `state_dict` and `load_state_dict`.
        keep: how many the ring holds.
        folder: where to write them; None for memory.
    """

    def __init__(
        self,
        optimizers: Sequence[Optimizer],
        model: nn.Module | None,
        also: Mapping[str, Any],
        keep: int,
        folder: str | Path | None,
    ) -> None:
        self._optimizers, self._model, self._also = tuple(optimizers), model, dict(also)
        self._keep = keep
        self._folder = None if folder is None else Path(folder)
        self._held: dict[int, Any] = {}
        self._ring: list[int] = []

    @property
    def steps(self) -> list[int]:
        """The steps there are, in order."""
        return sorted(self._held)

    def place(self, step: int) -> str:
        """Where one is, for the record."""
        held = self._held[step]
        return str(held) if isinstance(held, Path) else "memory"

    def take(self, step: int, *, asked: bool) -> tuple[bool, list[int]]:
        """Keep the state before an update; whether it was, and the steps that were given up for it.

        A state with weights that are not finite is not kept.

        Raises:
            FileError: it cannot be written.
        """
        if not self._finite():
            return False, []
        state = self._state()
        self._held[step] = state if self._folder is None else self._written(step, state)
        if step in self._ring:
            self._ring.remove(step)
        if asked:
            return True, []
        self._ring.append(step)
        gone = []
        while len(self._ring) > self._keep:
            gone.append(self._ring.pop(0))
            self.drop(gone[-1])
        return True, gone

    def drop(self, step: int) -> None:
        """Forget one."""
        held = self._held.pop(step, None)
        if step in self._ring:
            self._ring.remove(step)
        if isinstance(held, Path):
            held.unlink(missing_ok=True)

    def restore(self, step: int) -> None:
        """Go back to a state. Rates in the optimizer are left to who sets them.

        Raises:
            FileError: its file is gone or damaged. Nothing is changed.
        """
        state = self._held[step]
        if isinstance(state, Path):
            state = _loaded(state)
        if self._model is not None:
            self._model.load_state_dict(state["model"])
        with torch.no_grad():
            for mine, saved in zip(self._parameters(), state["parameters"], strict=False):
                mine.copy_(saved)
        steered_by_others = not any(hasattr(one, "last_epoch") for one in self._also.values())
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            rates = [group["lr"] for group in optimizer.param_groups]
            optimizer.load_state_dict(_copied(saved))
            if steered_by_others:
                for group, rate in zip(optimizer.param_groups, rates, strict=False):
                    group["lr"] = rate
            optimizer.zero_grad()
        for name, thing in self._also.items():
            thing.load_state_dict(_copied(state["also"][name]))

    def _state(self) -> dict[str, Any]:
        return {
            "model": None if self._model is None else _copied(self._model.state_dict()),
            "parameters": [_copied(one.detach()) for one in self._parameters()],
            "optimizers": [_copied(one.state_dict()) for one in self._optimizers],
            "also": {name: _copied(one.state_dict()) for name, one in self._also.items()},
        }

    def _parameters(self) -> list[torch.Tensor]:
        """What the optimizers train and the model does not hold."""
        known = set() if self._model is None else {id(one) for one in self._model.parameters()}
        groups = [group for each in self._optimizers for group in each.param_groups]
        return [one for group in groups for one in group["params"] if id(one) not in known]

    def _finite(self) -> bool:
        held = [] if self._model is None else list(self._model.parameters())
        return all(bool(torch.isfinite(one).all()) for one in [*held, *self._parameters()])

    def _written(self, step: int, state: dict[str, Any]) -> Path:
        """A file of this rank, whole or not there."""
        assert self._folder is not None  # noqa: S101 - asked before
        path = self._folder / f"step-{step}-rank-{rank_and_size()[0]}.pt"
        buffer = io.BytesIO()
        torch.save(state, buffer)
        temporary = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=f".{path.name}.")
            with os.fdopen(handle, "wb") as file:
                file.write(buffer.getvalue())
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except OSError as error:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
            raise FileError(f"the snapshot {path} cannot be written: {error.strerror}.") from error
        return path


def _loaded(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise FileError(f"the snapshot {path} cannot be read: {error}.") from error


def _copied(value: Any) -> Any:
    """A copy that later updates leave alone; tensors of an accelerator go to the machine's memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        made = [_copied(each) for each in value]
        return tuple(made) if isinstance(value, tuple) else made
    return value
