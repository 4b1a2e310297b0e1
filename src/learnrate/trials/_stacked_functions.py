"""torch's functions on stacked trials: one call on the trials' tensors together.

`torch.vmap` decomposes a loss, a dense layer or attention into many small operations, or runs them
trial by trial. Here the trials are one more axis of the same kernel.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from learnrate.trials._stacked_gru import gru
from learnrate.trials._trial_axis import Opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.task import Task

__all__ = ["LARGE", "stacked_forms", "stacked_forwards", "with_stacked_loss"]


_ATTENTION = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.MATH,
]


_LARGE_RESULT = 2**18  # elements, from which a result is written to the outer cache


def _linear(
    input: torch.Tensor,  # noqa: A002 - torch's name
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> torch.Tensor | None:
    opened = Opened(input, weight, bias)
    if not opened.stacked[1] or input.dim() < 2:
        return None
    rows, weights, biases = opened.tensors
    with opened:
        matrices = rows.flatten(1, -2)
        if biases is None:
            result = torch.bmm(matrices, weights.mT)
        elif len(weights) * matrices.shape[1] * weights.shape[1] < _LARGE_RESULT:
            result = torch.baddbmm(biases[:, None], matrices, weights.mT)
        else:  # the bias would be read and written once more before the product
            result = torch.bmm(matrices, weights.mT).add_(biases[:, None])
        if rows.dim() > 3:
            result = result.view(*rows.shape[:-1], -1)
    return opened.closed(result)


def _cross_entropy(  # noqa: PLR0917 - torch's arguments
    input: torch.Tensor,  # noqa: A002 - torch's name
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> torch.Tensor | None:
    opened = Opened(input, target)
    of_classes = not target.is_floating_point() and input.dim() > 1
    usual = weight is None and size_average is None and reduce is None
    if not opened.stacked[0] or not of_classes or not usual:
        return None
    scores, targets = opened.tensors
    with opened:
        rows = scores.movedim(2, -1)
        if rows.is_contiguous():  # a row for each target, in which the kernel is fastest
            scores, targets_of_rows = rows.flatten(0, -2), targets.flatten()
        else:
            scores, targets_of_rows = scores.flatten(0, 1), targets.flatten(0, 1)
        result = nn.functional.cross_entropy(
            scores,
            targets_of_rows,
            ignore_index=ignore_index,
            reduction="none",
            label_smoothing=label_smoothing,
        ).view(targets.shape)
        if reduction != "none":
            result = result.flatten(1).sum(1)
        if reduction == "mean":
            result = result / (targets != ignore_index).flatten(1).sum(1)
    return opened.closed(result)


def _attention(  # noqa: PLR0917 - torch's arguments
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **settings: Any,
) -> torch.Tensor | None:
    opened = Opened(query, key, value, attn_mask)
    if not opened.width or {query.dim(), key.dim(), value.dim()} != {4}:
        return None
    queries, keys, values, mask = opened.tensors
    with opened, sdpa_kernel(_ATTENTION):
        if mask is not None:
            missing = [1] * (5 - mask.dim())
            mask = mask.view(opened.width, *missing, *mask.shape[1:])
            mask = mask.expand(-1, query.shape[0], -1, -1, -1).flatten(0, 1)
        result = nn.functional.scaled_dot_product_attention(
            queries.flatten(0, 1),
            keys.flatten(0, 1),
            values.flatten(0, 1),
            attn_mask=mask,
            dropout_p=dropout_p,
            is_causal=is_causal,
            **settings,
        ).unflatten(0, (opened.width, -1))
    return opened.closed(result)


def _self_attention(  # noqa: PLR0917 - torch's arguments
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    embed_dim: int,  # noqa: ARG001
    heads: int,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    bias_k: torch.Tensor | None,
    bias_v: torch.Tensor | None,
    add_zero_attn: bool,
    dropout: float,
    out_weight: torch.Tensor,
    out_bias: torch.Tensor | None,
    *,
    training: bool = True,
    key_padding_mask: torch.Tensor | None = None,
    need_weights: bool = True,
    attn_mask: torch.Tensor | None = None,
    use_separate_proj_weight: bool = False,
    is_causal: bool = False,
    static_k: torch.Tensor | None = None,
    static_v: torch.Tensor | None = None,
    **unused: Any,  # noqa: ARG001
) -> tuple[torch.Tensor, None] | None:
    """The inside of `nn.MultiheadAttention`, if queries, keys and values are the same."""
    added = (bias_k, bias_v, key_padding_mask, static_k, static_v)
    special = add_zero_attn or need_weights or use_separate_proj_weight
    one_input = query is key and key is value and query.dim() == 3
    if special or not one_input or weight is None or any(part is not None for part in added):
        return None
    if is_causal and attn_mask is None:  # torch refuses it, with its own message
        return None
    projected = _linear(query.transpose(0, 1), weight, bias)
    if projected is None:
        return None
    query, key, value = (
        part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in projected.chunk(3, -1)
    )
    mask = None if is_causal else attn_mask
    mixed = _attention(query, key, value, mask, dropout if training else 0.0, is_causal)
    if mixed is None:
        return None
    result = _linear(mixed.transpose(1, 2).flatten(2), out_weight, out_bias)
    return None if result is None else (result.transpose(0, 1), None)


def _embedding(  # noqa: PLR0917 - torch's arguments
    input: torch.Tensor,  # noqa: A002 - torch's name
    weight: torch.Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,  # noqa: ARG001
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> torch.Tensor | None:
    opened = Opened(input, weight)
    usual = padding_idx is None and max_norm is None and not scale_grad_by_freq and not sparse
    if not opened.stacked[1] or not usual:
        return None
    rows, weights = opened.tensors
    count = weights.shape[1]
    with opened:
        first = torch.arange(0, opened.width * count, count, device=rows.device)
        rows = rows + first.view(-1, *[1] * input.dim())
        result = nn.functional.embedding(rows, weights.flatten(0, 1))
    return opened.closed(result)


def _layer_norm(
    input: torch.Tensor,  # noqa: A002 - torch's name
    normalized_shape: list[int],
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
) -> torch.Tensor | None:
    opened = Opened(input, weight, bias)
    if weight is None or bias is None or not opened.width:
        return None
    values, weights, biases = opened.tensors
    shape = (opened.width, *[1] * (input.dim() - weight.dim()), *weight.shape)
    with opened:
        gain, shift = values.new_ones(normalized_shape), values.new_zeros(normalized_shape)
        # Without them, torch normalizes on a CPU element by element.
        normal = nn.functional.layer_norm(values, normalized_shape, gain, shift, eps)
        result = (normal * weights.view(shape)).add_(biases.view(shape))
    return opened.closed(result)


def _conv2d(  # noqa: PLR0917 - torch's arguments
    input: torch.Tensor,  # noqa: A002 - torch's name
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: str | int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    *,
    memory_format: torch.memory_format = torch.channels_last,
) -> torch.Tensor | None:
    """The trials are groups of channels."""
    opened = Opened(input, weight, bias)
    if not opened.stacked[1] or input.dim() != 4:
        return None
    images, weights, biases = opened.tensors
    with opened:
        if opened.stacked[0]:
            images, groups = _side_by_side(images), groups * opened.width
        elif groups == 1:
            images = input
        else:
            return None
        result = nn.functional.conv2d(
            images.contiguous(memory_format=memory_format),
            weights.flatten(0, 1),
            None if biases is None else biases.flatten(),
            stride,
            padding,
            dilation,
            groups,
        ).unflatten(1, (opened.width, -1))
    return opened.closed(result, 1)


def _group_norm(
    input: torch.Tensor,  # noqa: A002 - torch's name
    num_groups: int,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
) -> torch.Tensor | None:
    opened = Opened(input, weight, bias)
    if not opened.stacked[0] or weight is None or bias is None:
        return None
    images, weights, biases = opened.tensors
    with opened:
        result = nn.functional.group_norm(
            _side_by_side(images),
            num_groups * opened.width,
            weights.flatten(),
            biases.flatten(),
            eps,
        ).unflatten(1, (opened.width, -1))
    return opened.closed(result, 1)


def _by_channel(function: Callable[..., Any]) -> Callable[..., Any]:
    """The form of a function that treats every channel of an image alone."""

    def form(image: torch.Tensor, *arguments: Any, **settings: Any) -> torch.Tensor | None:
        opened = Opened(image)
        if not opened.width or image.dim() != 4:
            return None
        with opened:
            result = function(_side_by_side(opened.tensors[0]), *arguments, **settings)
            result = result.unflatten(1, (opened.width, -1))
        return opened.closed(result, 1)

    return form


def _side_by_side(images: torch.Tensor) -> torch.Tensor:
    """The channels of all trials beside each other: (trials, batch, channels, ...) as one batch."""
    return images.transpose(0, 1).flatten(1, 2)


def _gru(
    input: torch.Tensor,  # noqa: A002 - torch's name
    state: torch.Tensor,
    parameters: list[torch.Tensor] | bool,
    *settings: Any,
) -> tuple[torch.Tensor, torch.Tensor] | None:
    if not isinstance(parameters, list):  # a packed sequence
        return None
    opened = Opened(input, state, *parameters)
    if not opened.width or torch.is_autocast_enabled(input.device.type):
        return None
    values, states, *weights = opened.tensors
    with opened:
        outputs, last = gru(values, states, weights, *settings)
    return opened.closed(outputs), opened.closed(last)


_FORMS: dict[Any, Callable[..., Any]] = {
    nn.functional.linear: _linear,
    nn.functional.cross_entropy: _cross_entropy,
    nn.functional.scaled_dot_product_attention: _attention,
    nn.functional.multi_head_attention_forward: _self_attention,
    nn.functional.embedding: _embedding,
    nn.functional.layer_norm: _layer_norm,
    nn.functional.group_norm: _group_norm,
    nn.functional.avg_pool2d: _by_channel(nn.functional.avg_pool2d),
    nn.functional.adaptive_avg_pool2d: _by_channel(nn.functional.adaptive_avg_pool2d),
    torch.gru: _gru,
}
"""Functions with a form for stacked trials; it returns None for arguments that it does not know."""

LARGE = (
    torch.gru,
    nn.functional.embedding,
    nn.functional.group_norm,
    nn.functional.scaled_dot_product_attention,
    nn.functional.multi_head_attention_forward,
)
"""Those whose form saves more than looking at every call costs."""


def stacked_forms(model: nn.Module) -> dict[Any, Callable[..., Any]]:
    """The functions that have a form for stacked trials of this model.

    Convolutions and their gradients are fastest with channels last in memory, but max-pooling is
    slowest so, by more.
    """
    pooled = any(isinstance(part, nn.MaxPool2d) for part in model.modules())
    memory_format = torch.contiguous_format if pooled else torch.channels_last
    return _FORMS | {nn.functional.conv2d: partial(_conv2d, memory_format=memory_format)}


def stacked_forwards(model: nn.Module) -> dict[nn.Module, Callable[[torch.Tensor], torch.Tensor]]:
    """What the dense layers of a model call in place of their `forward`.

    This needs no look at every call. A layer whose `forward` was replaced by its owner is left as it is.
    """
    return {
        layer: partial(_dense, layer)
        for layer in model.modules()
        if type(layer) is nn.Linear and "forward" not in vars(layer)
    }


def _dense(layer: nn.Linear, rows: torch.Tensor) -> torch.Tensor:
    result = _linear(rows, layer.weight, layer.bias)
    return nn.functional.linear(rows, layer.weight, layer.bias) if result is None else result


class _StackedCrossEntropy(nn.CrossEntropyLoss):
    def forward(
        self,
        input: torch.Tensor,  # noqa: A002 - torch's name
        target: torch.Tensor,
    ) -> torch.Tensor:
        settings: dict[str, Any] = {
            "ignore_index": self.ignore_index,
            "reduction": self.reduction,
            "label_smoothing": self.label_smoothing,
        }
        loss = _cross_entropy(input, target, self.weight, **settings)
        return super().forward(input, target) if loss is None else loss


def with_stacked_loss(task: Task) -> Task:
    """The task with a loss that is fast on stacked trials, if it has such a form."""
    if type(task.loss) is not nn.CrossEntropyLoss:
        return task
    loss = _StackedCrossEntropy(
        weight=task.loss.weight,
        ignore_index=task.loss.ignore_index,
        reduction=task.loss.reduction,
        label_smoothing=task.loss.label_smoothing,
    )
    return replace(task, loss=loss)
