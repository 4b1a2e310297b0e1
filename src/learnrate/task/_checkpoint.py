"""The parts of a checkpoint that a task starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from learnrate._checks import kind_of
from learnrate._errors import TaskError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

__all__ = ["load_changed", "read_state", "state_parts"]

_MODEL_KEYS = ("model", "model_state_dict", "state_dict")
_OPTIMIZER_KEYS = ("optimizer", "optimizer_state_dict")


def read_state(state: Mapping[str, Any] | str | Path) -> Mapping[str, Any]:
    """The checkpoint that was given, or the one in the file that was given.

    Raises:
        TaskError: it cannot be read.
    """
    if isinstance(state, Mapping):
        return state
    try:
        content = torch.load(state, map_location="cpu", weights_only=True)
    except OSError as error:
        raise TaskError(
            f"the checkpoint {str(state)!r} cannot be read: {error.strerror}."
        ) from error
    except Exception as error:  # a damaged file makes torch raise errors of any kind
        raise TaskError(
            f"{str(state)!r} is not a checkpoint of tensors and plain values. "
            "Save model.state_dict() and optimizer.state_dict() with torch.save."
        ) from error
    if not isinstance(content, Mapping):
        raise TaskError(f"{str(state)!r} has {kind_of(content)}, not a state_dict.")
    return content


def load_changed(module: nn.Module, weights: Mapping[str, Any]) -> None:
    """Load a state_dict into a module; frozen weights that it has already are not written to.

    So they still share the memory of the module that this one is a copy of.

    Raises:
        RuntimeError: it does not fit, as for `load_state_dict`.
    """
    present = module.state_dict()
    weights_by_name = module.named_parameters(remove_duplicate=False)  # tied ones by each name
    frozen = {name for name, weight in weights_by_name if not weight.requires_grad}
    changed = {
        name: value
        for name, value in weights.items()
        if name not in frozen or not _has_same_bits(present[name], value)
    }
    if present.keys() == weights.keys():
        module.load_state_dict(changed, strict=False)
    else:  # torch refuses these with its own message
        module.load_state_dict(weights)


def _has_same_bits(present: Any, value: Any) -> bool:
    """Whether two entries of a state_dict are tensors with the same bits."""
    return (
        isinstance(present, torch.Tensor)
        and isinstance(value, torch.Tensor)
        and (present.dtype, present.shape, present.device)
        == (value.dtype, value.shape, value.device)
        and torch.equal(_bytes(present), _bytes(value))
    )


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().reshape(-1).view(torch.uint8)


def state_parts(state: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """The model's state, and the state of each optimizer; none if it has none.

    Raises:
        TaskError: it has no state of a model.
    """
    weights = next((state[key] for key in _MODEL_KEYS if key in state), state)
    moments = next((state[key] for key in _OPTIMIZER_KEYS if key in state), None) or []
    if not (
        isinstance(weights, Mapping)
        and weights
        and all(isinstance(name, str) for name in weights)
        and any(isinstance(value, torch.Tensor) for value in weights.values())
    ):
        raise TaskError(
            "starting_from(state) needs a model's state_dict, or one under 'model'; "
            f"got the keys {', '.join(map(repr, list(state)[:5])) or 'none'}."
        )
    return weights, list(moments) if isinstance(moments, Sequence) else [moments]
