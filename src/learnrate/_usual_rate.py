"""The best rate that an optimizer like Adam usually has, from the sizes of its weights alone.

Such an optimizer changes every weight by about its rate in one update. The change of a matrix of m rows
and n columns has a spectral norm of at most `rate * sqrt(m * n)`. What matters is how large this is
relative to the spectral norm of the matrix itself (Yang, Simon and Bernstein 2023, arXiv:2310.17813).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._checks import kind_of, refuse
from learnrate._errors import ArgumentError
from learnrate._group_scales import rate_ratios
from learnrate._sharded import is_flat_part, whole_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LIKE_ADAM", "LOG_STD", "USUAL_FACTOR", "UsualRate", "known_usual_rate", "usual_rate"]

LIKE_ADAM = ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SparseAdam")
# Fitted to the best rates of 58 trainings of 19 domains (benchmarks/regret), not to their losses: the log
# of the change of a matrix in one update over its norm, and the standard deviation of this log.
_LOG_CHANGE, LOG_STD = -0.82, 0.95
USUAL_FACTOR = math.exp(1.28 * LOG_STD)  # within which 80 % of the best rates lie
_POWER_STEPS = 10  # of the power method; it is exact to a few per cent then
_MOST_MATRICES = 64  # whose norms are computed, evenly spaced


@dataclass(frozen=True)
class UsualRate:
    """The peak rate that is usually best for an optimizer and the sizes of its weights.

    Attributes:
        lr: the median.
        low: the lower end of the central 80 %.
        high: the upper end.
        matrices: how many weight matrices it was computed from.
    """

    lr: float
    low: float
    high: float
    matrices: int

    def __str__(self) -> str:
        return f"{self.lr:.2g} (usually {self.low:.2g} to {self.high:.2g})"


def usual_rate(optimizer: torch.optim.Optimizer, *others: torch.optim.Optimizer) -> UsualRate:
    """The peak rate that is usually best for an optimizer like Adam, before any training.

    It is the geometric mean over the weight matrices, of m rows and n columns each, of
    `0.44 * norm / sqrt(m * n)`, where the norm is the spectral norm of the matrix.

    At this rate, one update may change a matrix by 0.44 of its spectral norm. In 58 trainings of small
    networks in 19 domains the best peak was at this rate within a factor of 3.4 in 80 %; fine-tuning of
    large networks needs lower rates. It costs no training, and is a first guess: `find` looks at the
    loss, and `plan` answers for a whole run. Kernels of convolutions count as matrices with a row for
    each output. Matrices whose rows are multiples of one row do not count: they hold gains or decays.
    With parameter groups of different rates, it is for the group with the highest rate.
    Momentum of RMSprop is taken into account. Of many matrices, 64 are measured. Nothing is changed, and
    no random number is drawn. If weights are split over processes (`fully_shard`), each process must call
    it, because they collect one matrix after the other from all.

    Args:
        optimizer: an optimizer of torch, with the weights that it trains, as they are before training: Adam,
            AdamW, Adamax, NAdam, RAdam, RMSprop, SparseAdam, or a class derived from one of these.
        others: further ones of the same training.

    Raises:
        ArgumentError: an optimizer is of another kind, such as SGD, whose best rate depends on the
            unit of the loss; or no matrix has a norm above 0; or FSDP has flattened the matrices.

    Examples:
        >>> import torch, learnrate
        >>> model = torch.nn.Linear(100, 100)
        >>> optimizer = torch.optim.AdamW(model.parameters())
        >>> 0.003 < learnrate.usual_rate(optimizer).lr < 0.007
        True
    """
    optimizers = [optimizer, *others]
    for checked in optimizers:
        _check_kind(checked)
        _check_shapes(checked)
    usual = known_usual_rate(optimizers)
    if usual is None:
        raise ArgumentError(
            "usual_rate needs at least one trained matrix with a norm above 0; the optimizer has none. "
            "Use learnrate.find or learnrate.plan."
        )
    return usual


def known_usual_rate(optimizers: Sequence[torch.optim.Optimizer]) -> UsualRate | None:
    """`usual_rate`, or None if an optimizer is not like Adam or no matrix has a norm above 0.

    Args:
        optimizers: all optimizers of one training.
    """
    if not all(_is_like_adam(optimizer) for optimizer in optimizers):
        return None
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    ratios = rate_ratios(groups)
    matrices = [
        (parameter, ratio / (1.0 - _momentum(group)))
        for group, ratio in zip(groups, ratios, strict=True)
        if ratio > 0
        for parameter in group["params"]
        if parameter.requires_grad and parameter.ndim > 1 and not parameter.is_complex()
    ]
    try:
        log_lrs = [
            math.log(rate / factor)
            for parameter, factor in _evenly_spaced(matrices)
            if (rate := _doubling_rate(parameter)) > 0
        ]
    except (RuntimeError, TypeError):  # of unusual tensors
        return None
    if not log_lrs:
        return None
    lr = math.exp(_LOG_CHANGE + float(np.mean(log_lrs)))
    return UsualRate(lr, lr / USUAL_FACTOR, lr * USUAL_FACTOR, len(log_lrs))


def _check_kind(optimizer: object) -> None:
    if not isinstance(optimizer, torch.optim.Optimizer):
        rule = "a torch.optim.Optimizer with the weights that it trains"
        are_several = isinstance(optimizer, list | tuple)
        way_out = "Give several as usual_rate(first, second)." if are_several else ""
        refuse("usual_rate", "optimizer", rule, optimizer, way_out)
    if not _is_like_adam(optimizer):
        raise ArgumentError(
            f"usual_rate knows {', '.join(LIKE_ADAM)}; got {kind_of(optimizer)}, whose best rate the "
            "weights do not tell. Use learnrate.find or learnrate.plan."
        )


def _check_shapes(optimizer: torch.optim.Optimizer) -> None:
    parameters = (weight for group in optimizer.param_groups for weight in group["params"])
    if any(is_flat_part(parameter) for parameter in parameters):
        raise ArgumentError(
            "usual_rate(optimizer=...) must train matrices; FullyShardedDataParallel has made flat parts of "
            "them. Call usual_rate with an optimizer of the model before it is wrapped, or use "
            "fully_shard."
        )


def _is_like_adam(optimizer: torch.optim.Optimizer) -> bool:
    return any(base.__name__ in LIKE_ADAM for base in type(optimizer).__mro__)


def _momentum(group: dict[str, Any]) -> float:
    """The momentum of a group of RMSprop, which makes updates 1 / (1 - momentum) times as large."""
    momentum = float(group.get("momentum") or 0.0)
    return momentum if 0.0 <= momentum < 1.0 else 0.0


def _evenly_spaced(
    matrices: list[tuple[torch.Tensor, float]],
) -> list[tuple[torch.Tensor, float]]:
    count = min(len(matrices), _MOST_MATRICES)
    places = np.linspace(0, len(matrices) - 1, count).round().astype(int)
    return [matrices[place] for place in places]


def _doubling_rate(matrix: torch.Tensor) -> float:
    """The rate at which one update may change a matrix by its own norm; 0 if it does not count."""
    rows = whole_tensor(matrix).reshape(matrix.shape[0], -1).to(torch.float32)
    norm = _spectral_norm(rows)
    if _repeats_itself(rows, norm):
        return 0.0
    rate = norm / math.sqrt(max(1, rows.numel()))
    return rate if math.isfinite(rate) else 0.0


def _repeats_itself(matrix: torch.Tensor, norm: float) -> bool:
    """Whether all rows of a matrix are multiples of one row, or all its numbers are the same.

    No input is multiplied by such a matrix: it holds gains of a normalization, or the decays and
    frequencies of a state-space model, one of each for every channel.
    """
    if min(matrix.shape) > 1:
        return norm**2 > (1.0 - 1e-5) * float(matrix.square().sum())
    return matrix.numel() > 1 and bool((matrix == matrix.flatten()[0]).all())


def _spectral_norm(matrix: torch.Tensor) -> float:
    """The largest singular value, by the power method."""
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(matrix.shape[1], generator=generator).to(matrix.device)
    for _ in range(_POWER_STEPS):
        vector = matrix.T @ (matrix @ (vector / (vector.norm() + 1e-30)))
    return float(vector.norm().sqrt())
