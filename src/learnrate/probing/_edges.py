"""The curvature up to which an optimizer is stable, and how it scales the coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import SGD, Adam, AdamW, RMSprop

from learnrate._errors import ArgumentError
from learnrate.watch import adam_limit, rmsprop_limit, sgd_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn
    from torch.optim import Optimizer

__all__ = ["Edge", "edge_of"]


@dataclass(frozen=True, eq=False)
class Edge:
    """The edge of stability of an optimizer.

    Attributes:
        lr: the highest rate of its groups.
        limit: rate times curvature above which it is unstable; None if unknown.
        preconditioned: whether it scales the coordinates by their past gradients.
        scale: the factor of each coordinate's update, relative to `lr`, shape (n,).
        decay: the curvature that weight decay adds to each coordinate, shape (n,).
    """

    lr: float
    limit: float | None
    preconditioned: bool
    scale: torch.Tensor
    decay: torch.Tensor


def edge_of(optimizer: Optimizer, parameters: list[nn.Parameter]) -> Edge:
    """The edge of stability of an optimizer in its present state.

    On a quadratic with curvature h, updates at a rate lr are stable as long as lr h is below

        gradient descent                        2
        momentum b (heavy ball), dampening d    (2 + 2 b) / (1 - d)
        Nesterov's momentum                     (2 + 2 b) / (1 + 2 b)
        Adam, h measured in P^-1 H              (2 + 2 b1) / (1 - b1), 38 at b1 = 0.9
        RMSprop, h measured in P^-1 H           2, or (2 + 2 b) with momentum

    with P = (1 - b1^t) (sqrt(v / (1 - b2^t)) + eps) for Adam, sqrt(v) + eps for RMSprop.

    Raises:
        ArgumentError: the groups differ in momentum, or an adaptive optimizer has not updated yet.

    Ref: Cohen et al. 2021, arXiv:2103.00065; Cohen et al. 2022, arXiv:2207.14484.
    """
    groups = optimizer.param_groups
    lr = max(float(group["lr"]) for group in groups)
    kind = next(
        (optimizer_type for optimizer_type in _KINDS if type(optimizer) is optimizer_type), None
    )
    if any(group.get("maximize") for group in groups):
        kind = None
    limit, scale_of = _KINDS[kind] if kind is not None else (_no_limit, _unit_scale)
    limits = {
        limit(group)
        for group in groups
        if any(_is_in(group, parameter) for parameter in parameters)
    }
    if len(limits) > 1:
        raise ArgumentError(
            "sharpness(optimizer=...) must have one momentum for all its groups; the limits of "
            f"lr times curvature differ: {sorted(map(str, limits))}. Leave the optimizer out."
        )
    scales, decays = [], []
    for parameter in parameters:
        group = next((candidate for candidate in groups if _is_in(candidate, parameter)), None)
        share = 0.0 if group is None or lr == 0 else float(group["lr"]) / lr
        scale = (
            parameter.detach().new_zeros(())
            if group is None
            else scale_of(optimizer, parameter, group)
        )
        scales.append((share * scale.float()).expand(parameter.shape).reshape(-1))
        decay = 0.0 if group is None or kind is AdamW else float(group.get("weight_decay", 0.0))
        decays.append(
            parameter.detach().new_full((parameter.numel(),), decay, dtype=torch.float32)
        )
    home = parameters[0].device
    return Edge(
        lr=lr,
        limit=next(iter(limits), None),
        preconditioned=kind in {Adam, AdamW, RMSprop},
        scale=torch.cat([tensor.to(home) for tensor in scales]),
        decay=torch.cat([tensor.to(home) for tensor in decays]),
    )


def _is_in(group: dict[str, Any], parameter: nn.Parameter) -> bool:
    return any(member is parameter for member in group["params"])


def _sgd_limit(group: dict[str, Any]) -> float | None:
    return sgd_limit(
        float(group["momentum"]),
        dampening=float(group["dampening"]),
        nesterov=bool(group["nesterov"]),
    )


def _adam_limit(group: dict[str, Any]) -> float | None:
    return adam_limit(float(group["betas"][0]))


def _rmsprop_limit(group: dict[str, Any]) -> float | None:
    return rmsprop_limit(float(group["momentum"]))


def _no_limit(_group: dict[str, Any]) -> float | None:
    return None


def _unit_scale(
    _optimizer: Optimizer, parameter: nn.Parameter, _group: dict[str, Any]
) -> torch.Tensor:
    return parameter.detach().new_ones(())


def _adam_scale(
    optimizer: Optimizer, parameter: nn.Parameter, group: dict[str, Any]
) -> torch.Tensor:
    state = _state(optimizer, parameter)
    beta1, beta2 = (float(beta) for beta in group["betas"])
    updates = float(state["step"])
    mean: torch.Tensor = state["max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"]
    root = (mean / (1 - beta2**updates)).sqrt()
    scaled: torch.Tensor = (1 - beta1**updates) * (root + float(group["eps"]))
    return scaled.reciprocal()


def _rmsprop_scale(
    optimizer: Optimizer, parameter: nn.Parameter, group: dict[str, Any]
) -> torch.Tensor:
    state = _state(optimizer, parameter)
    mean: torch.Tensor = state["square_avg"]
    if group["centered"]:
        mean = mean - state["grad_avg"].square()
    return 1 / (mean.sqrt() + float(group["eps"]))


def _state(optimizer: Optimizer, parameter: nn.Parameter) -> dict[str, Any]:
    state: dict[str, Any] = optimizer.state.get(parameter, {})
    if not state or not float(state["step"]):
        raise ArgumentError(
            f"sharpness(optimizer=...): {type(optimizer).__name__} has not updated every "
            "trained parameter yet, so how it scales gradients is not known. Measure after an update."
        )
    return state


_KINDS: dict[
    type[Optimizer] | None,
    tuple[
        Callable[[dict[str, Any]], float | None],
        Callable[[Optimizer, nn.Parameter, dict[str, Any]], torch.Tensor],
    ],
] = {
    SGD: (_sgd_limit, _unit_scale),
    Adam: (_adam_limit, _adam_scale),
    AdamW: (_adam_limit, _adam_scale),
    RMSprop: (_rmsprop_limit, _rmsprop_scale),
}
