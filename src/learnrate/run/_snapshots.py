"""Snapshots: a few states of a training, each from before an update, to go back to."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from learnrate._errors import FileError
from learnrate._ranks import rank_and_size
from learnrate.run._update_meter import parameters_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn
    from torch.optim import Optimizer

__all__ = ["Snapshots"]


@dataclass(frozen=True, slots=True)
class _File:
    """A snapshot on disk.

    Attributes:
        path: the path of its file.
        digest: the digest of its bytes as this process wrote them. A file with another digest is
            never unpickled, because unpickling would run any code in it.
    """

    path: Path
    digest: bytes


class Snapshots:
    """States of the model, the optimizers and further objects, by the step about to happen.

    Automatic snapshots form a ring: the oldest is dropped when there are too many. Requested
    snapshots stay. Snapshots in memory are in main memory, not on an accelerator. In a folder each
    snapshot is a file that is written completely or not at all, and that is refused if it was changed since.

    Args:
        optimizers: their states and parameters are kept.
        model: its state is kept, including buffers; None for only the optimizers' parameters.
        extra_state: by name, further objects with `state_dict` and `load_state_dict`.
        keep: the number of automatic snapshots that are kept.
        folder: where snapshots are written; None for memory.
    """

    def __init__(
        self,
        optimizers: Sequence[Optimizer],
        model: nn.Module | None,
        extra_state: Mapping[str, Any],
        keep: int,
        folder: str | Path | None,
    ) -> None:
        self._optimizers, self._model = tuple(optimizers), model
        self._extra_state = dict(extra_state)
        self._keep = keep
        self._folder = None if folder is None else Path(folder)
        self._states: dict[int, Any] = {}  # the state itself, or its file
        self._ring: list[int] = []

    @property
    def steps(self) -> list[int]:
        """The steps of the snapshots, in order."""
        return sorted(self._states)

    def place(self, step: int) -> str:
        """Where a snapshot is, for the record: its path, or "memory"."""
        state = self._states[step]
        return str(state.path) if isinstance(state, _File) else "memory"

    def take(self, step: int, *, requested: bool) -> tuple[bool, list[int]]:
        """Take a snapshot before an update, unless weights are not finite.

        Args:
            step: the step of the update.
            requested: whether a person requested it, so that it is kept.

        Returns:
            Whether it was taken, and the steps of the snapshots that were dropped for it.

        Raises:
            FileError: it cannot be written, or does not fit into memory.
        """
        if not self._are_weights_finite():
            return False, []
        try:
            state = self._state()
            self._states[step] = state if self._folder is None else self._write(step, state)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "allocate" not in str(error):
                raise
            raise FileError(f"the snapshot of step {step} does not fit into memory.") from error
        if step in self._ring:
            self._ring.remove(step)
        if requested:
            return True, []
        self._ring.append(step)
        dropped = []
        while len(self._ring) > self._keep:
            dropped.append(self._ring.pop(0))
            self.drop(dropped[-1])
        return True, dropped

    def drop(self, step: int) -> None:
        """Delete a snapshot, with its file if it has one."""
        state = self._states.pop(step, None)
        if step in self._ring:
            self._ring.remove(step)
        if isinstance(state, _File):
            with contextlib.suppress(OSError):  # the folder is gone, or may only be read now
                state.path.unlink(missing_ok=True)

    def restore(self, step: int) -> None:
        """Go back to a snapshot. The rates of the optimizers are not changed.

        Raises:
            FileError: its file is missing or was changed. Nothing is changed.
        """
        state = self._states[step]
        if isinstance(state, _File):
            state = _load(state)
        if self._model is not None:
            self._model.load_state_dict(state["model"])
        with torch.no_grad():
            for parameter, saved in zip(self._parameters(), state["parameters"], strict=False):
                parameter.copy_(saved)
        has_scheduler = any(hasattr(extra, "last_epoch") for extra in self._extra_state.values())
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            rates = [group["lr"] for group in optimizer.param_groups]
            optimizer.load_state_dict(_copied(saved))
            if not has_scheduler:
                for group, rate in zip(optimizer.param_groups, rates, strict=False):
                    group["lr"] = rate
            optimizer.zero_grad()
        for name, extra in self._extra_state.items():
            extra.load_state_dict(_copied(state["extra_state"][name]))

    def _model_state(self) -> Any:
        """The state of the model; weights that are frozen and did not change are kept once for all."""
        if self._model is None:
            return None
        state = _copied(self._model.state_dict())
        earlier = self._states[self._ring[-1]] if self._ring else None
        known = earlier["model"] if isinstance(earlier, dict) else {}
        for name, weight in self._model.named_parameters(remove_duplicate=False):
            if not weight.requires_grad and name in state and name in known:
                state[name] = known[name] if torch.equal(known[name], state[name]) else state[name]
        return state

    def _state(self) -> dict[str, Any]:
        return {
            "model": self._model_state(),
            "parameters": [_copied(parameter.detach()) for parameter in self._parameters()],
            "optimizers": [_copied(optimizer.state_dict()) for optimizer in self._optimizers],
            "extra_state": {
                name: _copied(extra.state_dict()) for name, extra in self._extra_state.items()
            },
        }

    def _parameters(self) -> list[torch.Tensor]:
        """The parameters of the optimizers that do not belong to the model."""
        in_model = {id(parameter) for parameter in self._model_parameters()}
        trained = parameters_of(*self._optimizers)
        return [parameter for parameter in trained if id(parameter) not in in_model]

    def _model_parameters(self) -> list[torch.Tensor]:
        return [] if self._model is None else list(self._model.parameters())

    def _are_weights_finite(self) -> bool:
        parameters = [*self._model_parameters(), *self._parameters()]
        return all(bool(torch.isfinite(parameter).all()) for parameter in parameters)

    def _write(self, step: int, state: dict[str, Any]) -> _File:
        """Write a file of this rank, completely or not at all."""
        assert self._folder is not None  # noqa: S101 - the caller checked it
        path = self._folder / f"step-{step}-rank-{rank_and_size()[0]}.pt"
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getbuffer()
        temporary = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=f".{path.name}.")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except OSError as error:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
            raise FileError(f"the snapshot {path} cannot be written: {error.strerror}.") from error
        return _File(path, hashlib.sha256(content).digest())


def _load(file: _File) -> Any:
    try:
        content = file.path.read_bytes()
    except OSError as error:
        raise FileError(f"the snapshot {file.path} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(content).digest() != file.digest:
        raise FileError(f"the snapshot {file.path} was changed after it was written.")
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise FileError(f"the snapshot {file.path} cannot be read: {error}.") from error


def _copied(value: Any) -> Any:
    """A copy that later updates do not change, with all tensors in main memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        copies = [_copied(entry) for entry in value]
        return tuple(copies) if isinstance(value, tuple) else copies
    return value
