"""The facts on the parts of a model that a run does not train."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from torch.nn.parameter import is_lazy

from learnrate.run._update_meter import parameters_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import torch
    from torch import nn
    from torch.optim import Optimizer

__all__ = ["untrained_facts"]

_MOST_PARTS = 3  # that are named
_WRAPPERS = re.compile(r"(^|\.)(module|_orig_mod)(?=\.)")  # of DDP and torch.compile
_TRAINED, _FROZEN, _MISSING = "", "of the weights", "not in an optimizer"


@dataclass(frozen=True)
class _Tensor:
    """A tensor of a model: its name, its numbers, and why it is not trained."""

    name: str
    numbers: int
    reason: str


def untrained_facts(optimizers: Sequence[Optimizer], model: nn.Module) -> dict[str, Any]:
    """`not_trained`, which names the parts, and `not_trained_share` of the weights; empty if all are.

    They are empty, too, if no tensor of the model is in an optimizer, which may have copies of them.

    Args:
        optimizers: the optimizers of the run.
        model: the trained model.
    """
    in_optimizers = {id(parameter) for parameter in parameters_of(*optimizers)}
    parameters = list(model.named_parameters())
    if any(is_lazy(parameter) for _, parameter in parameters):
        return {}
    tensors = [
        _Tensor(
            _WRAPPERS.sub("", name).lstrip("."),
            parameter.numel(),
            _reason(parameter, in_optimizers),
        )
        for name, parameter in parameters
    ]
    total = sum(tensor.numbers for tensor in tensors)
    untrained = sum(tensor.numbers for tensor in tensors if tensor.reason)
    if not untrained or not in_optimizers & {id(parameter) for _, parameter in parameters}:
        return {}
    texts = [_text(tensors, reason, total) for reason in (_FROZEN, _MISSING)]
    return {
        "not_trained": "; ".join(filter(None, texts)),
        "not_trained_share": float(f"{untrained / total:.4g}"),
    }


def _reason(parameter: torch.Tensor, in_optimizers: set[int]) -> str:
    """Why a tensor is not trained; empty if it is."""
    if not parameter.requires_grad:
        return _FROZEN
    return _TRAINED if id(parameter) in in_optimizers else _MISSING


def _text(tensors: Sequence[_Tensor], reason: str, total: int) -> str:
    """The parts with a reason, the largest first, and their share of the weights; empty without any."""
    sizes: dict[str, int] = defaultdict(int)
    others = [tensor.name for tensor in tensors if tensor.reason != reason]
    for label, numbers in _parts(tensors, reason):
        sizes[_merged(label, others)] += numbers
    if not sizes:
        return ""
    largest = sorted(sizes, key=lambda label: -sizes[label])
    names = ", ".join(largest[:_MOST_PARTS])
    more = len(largest) - _MOST_PARTS
    and_more = f" and {more} more" if more > 0 else ""
    share = _share_text(sum(sizes.values()) / total)
    unit = reason if reason == _FROZEN else f"{_FROZEN}, {reason}"
    return f"{names}{and_more} ({share} {unit})"


def _parts(tensors: Iterable[_Tensor], reason: str, prefix: str = "") -> list[tuple[str, int]]:
    """The largest parts whose tensors all have a reason, each with its numbers.

    Args:
        tensors: whose names begin with the prefix.
        reason: why a part is not trained.
        prefix: the prefix of the names, with its last dot.
    """
    children: dict[str, list[_Tensor]] = defaultdict(list)
    for tensor in tensors:
        children[tensor.name[len(prefix) :].partition(".")[0]].append(tensor)
    parts = []
    for child, inside in children.items():
        name = f"{prefix}{child}"
        is_tensor = inside[0].name == name
        if all(tensor.reason == reason for tensor in inside):
            numbers = sum(tensor.numbers for tensor in inside)
            parts.append((name if is_tensor else f"{name}.*", numbers))
        elif not is_tensor:
            parts += _parts(inside, reason, f"{name}.")
    return parts


def _merged(label: str, others: Iterable[str]) -> str:
    """The label for all layers of a list, as `layers.*.bias`, if it fits no other tensor."""
    pattern = re.sub(r"(?<=\.)\d+(?=\.)", "*", label)
    return label if any(fnmatchcase(name, pattern) for name in others) else pattern


def _share_text(share: float) -> str:
    """A share as a percentage, which is 100 only for all."""
    return f"{100 * share:.2g} %" if share < 0.99 else f"{min(100 * share, 99.99):.4g} %"
