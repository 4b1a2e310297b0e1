"""Reads from the graph of a loss how many classes it has, and whether it gets the inputs that it expects."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LossGraph", "is_mean", "operation_of", "squared_error"]

_LOSSES_READ = 4  # losses whose graphs are read; all are computed in the same way
_MEAN = 1  # torch's number for the reduction "mean"
_MOST_NODES = 64  # nodes that are read, from the loss backwards
_UNCHANGED = {  # operations that leave each number as it is
    *("Alias", "Clone", "Index", "Permute", "ReshapeAlias", "Select", "Slice", "Squeeze", "T"),
    *("ToCopy", "Transpose", "UnsafeView", "Unsqueeze", "View"),
}
_PRODUCTS = {"Addmm", "Mm", "Bmm", "Baddbmm", "Convolution", "Linear"}
_OVER_PAIRS = {"MseLoss", "SmoothL1Loss", "HuberLoss"}
_CODES = {  # by the operation of the loss, and the operation that computed its input
    ("LogSoftmax", "Softmax"): 1.0,
    ("BinaryCrossEntropyWithLogits", "Sigmoid"): 2.0,
    ("BinaryCrossEntropyWithLogits", "Softmax"): 2.0,
    ("NllLoss", "Softmax"): 3.0,
    ("NllLoss", "Sigmoid"): 3.0,
} | {("NllLoss", product): 4.0 for product in _PRODUCTS}


class LossGraph:
    """Reads the graphs of the first losses that `run.step` gets as tensors.

    A graph is read by the names and shapes of its nodes, also after the backward pass. No number
    is read, and nothing of the graph is kept.

    Attributes:
        is_over: whether enough losses were looked at.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._looks = 0

    def look(self, loss: Any) -> Mapping[str, float]:
        """The columns of a loss; none if it has no graph.

        Args:
            loss: the loss, as `run.step` takes it.
        """
        root = getattr(loss, "grad_fn", None)
        self._looks += 1
        self.is_over = self._looks >= _LOSSES_READ
        if root is None:
            return {}
        try:
            return _columns(root)
        except (AttributeError, IndexError, RuntimeError, TypeError):
            self.is_over = True
            return {}


def _columns(root: Any) -> dict[str, float]:
    columns = {"loss_input": 0.0, "loss_pairs": 0.0}
    for node in _nodes(root):
        kind = _kind(node)
        if kind in _OVER_PAIRS:
            columns["loss_pairs"] = max(columns["loss_pairs"], _pairs(node))
        source = _source(node)
        code = 0.0 if source is None else _CODES.get((kind, _kind(source)), 0.0)
        columns["loss_input"] = columns["loss_input"] or code
    classes = _classes(root)
    return columns | ({} if classes is None else {"classes": classes})


def is_mean(loss: torch.Tensor) -> bool:
    """Whether a loss was computed as a mean, by the last operation of its graph."""
    root = loss.grad_fn
    return root is not None and (_kind(root) == "Mean" or _reduction(root) == _MEAN)


def operation_of(tensor: torch.Tensor) -> str:
    """The operation that computed the numbers of a tensor; empty if they need no gradient."""
    node: Any = tensor.grad_fn
    if node is None:
        return ""
    source = _source(node) if _kind(node) in _UNCHANGED else node
    return "" if source is None else _kind(source)


def squared_error(loss: Any) -> tuple[int, int, str] | None:
    """What the graph of a loss shows if it is a mean squared error, or the mean of several.

    Args:
        loss: the loss, as `run.step` takes it.

    Returns:
        How many errors it is the mean of, the numbers of each, and the operation that computed the
        predictions; None for other losses.
    """
    root = getattr(loss, "grad_fn", None)
    errors = [root]
    if root is not None and _kind(root) == "Mean":
        stack = _source(root)
        errors = [] if stack is None else [child for child, _ in stack.next_functions]
    facts = {_squared_error_facts(error) for error in errors}
    fact = facts.pop() if len(facts) == 1 else None
    return None if fact is None else (len(errors), *fact)


def _squared_error_facts(node: Any) -> tuple[int, str] | None:
    if node is None or _kind(node) != "MseLoss" or _reduction(node) != _MEAN:
        return None
    source = _source(node)
    numbers = math.prod(_shape(node.next_functions[0][0])) if source is not None else 0
    return None if source is None else (numbers, _kind(source))


def _reduction(node: Any) -> Any:
    """1 for the mean of a loss, 2 for its sum; None for other operations."""
    return getattr(node, "_saved_reduction", None)


def _nodes(root: Any) -> Iterator[Any]:
    """The nodes nearest to a root, each once."""
    waiting, known = [root], {root}
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        node = waiting.pop(0)
        yield node
        for child, _index in node.next_functions:
            if child is not None and child not in known:
                known.add(child)
                waiting.append(child)


def _kind(node: Any) -> str:
    """The operation of a node, such as `LogSoftmax`."""
    name, backward, _version = node.name().rpartition("Backward")
    return "NllLoss" if backward and name in {"NllLoss2D", "NllLossNd"} else name


def _source(node: Any) -> Any:
    """The node whose numbers this one gets first; None if they need no gradient."""
    children = node.next_functions
    while children and children[0][0] is not None:
        child = children[0][0]
        if _kind(child) not in _UNCHANGED:
            return child
        children = child.next_functions
    return None


def _shape(node: Any) -> tuple[int, ...]:
    """The shape of what a node computed."""
    return tuple(node._input_metadata[0].shape)  # noqa: SLF001 - what torch has for this


def _pairs(node: Any) -> float:
    """The batch size n if a loss broadcasts (n, 1) with (n,) to all n * n pairs; else 0."""
    for child, _index in node.next_functions:
        if child is None or _kind(child) != "Expand":
            continue
        rows, *others = _shape(child)
        source = child.next_functions[0][0]
        with suppress(IndexError, RuntimeError):
            from_shape = _source_shape(source)
            if rows > 1 and others == [rows] and from_shape in {(rows, 1), (rows,)}:
                return float(rows)
    return 0.0


def _source_shape(node: Any) -> tuple[int, ...]:
    """The shape of a node's output; for the leaf of a parameter, the shape of the parameter."""
    variable = getattr(node, "variable", None)
    return tuple(variable.shape) if isinstance(variable, torch.Tensor) else _shape(node)


def _classes(root: Any) -> float | None:
    """The classes of a loss that is a mean cross-entropy and nothing else; None for others.

    As many classes as rows are pairs of a batch, whose loss may stay at that of chance.
    """
    source = _source(root) if _kind(root) == "NllLoss" and _reduction(root) == _MEAN else None
    if source is None or _kind(source) != "LogSoftmax":
        return None
    shape = _shape(source)
    dim = source._saved_dim  # noqa: SLF001 - what torch has for this
    dim = dim - 2**64 if dim >= 2**63 else dim
    classes = shape[dim]
    return float(classes) if classes > 1 and shape != (classes, classes) else None
