"""Up to which curvature an optimizer is stable, and how it scales the coordinates."""

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
    """How an optimizer meets curvature.

    Attributes:
        lr: the highest rate of its groups.
        limit: rate times curvature at which it is no longer stable; None where that is not known.
        preconditioned: whether it scales the coordinates by what gradients they had.
        scale: (n,) what each coordinate's update is multiplied by, relative to `lr`.
        decay: (n,) curvature that weight decay adds.
    """

    lr: float
    limit: float | None
    preconditioned: bool
    scale: torch.Tensor
    decay: torch.Tensor


def edge_of(optimizer: Optimizer, parameters: list[nn.Parameter]) -> Edge:
    """How an optimizer meets curvature, as it stands.

    On a quadratic with curvature h and a rate lr, an update is stable while lr h is below

        gradient descent                        2
        momentum b (heavy ball), dampening d    (2 + 2 b) / (1 - d)
        Nesterov's momentum                     (2 + 2 b) / (1 + 2 b)
        Adam, h measured in P^-1 H              (2 + 2 b1) / (1 - b1), 38 at b1 = 0.9
        RMSprop, h measured in P^-1 H           2, or (2 + 2 b) with momentum

    with P = (1 - b1^t) (sqrt(v / (1 - b2^t)) + eps) for Adam, sqrt(v) + eps for RMSprop.

    Raises:
        ArgumentError: groups have momenta of their own, or Adam has made no update yet.

    Ref: Cohen et al. 2021, arXiv:2103.00065; Cohen et al. 2022, arXiv:2207.14484.
    """
    groups = optimizer.param_groups
    lr = max(float(group["lr"]) for group in groups)
    kind = next((one for one in _KINDS if type(optimizer) is one), None)
    if any(group.get("maximize") for group in groups):
        kind = None
    limit, scale_of = _KINDS[kind] if kind is not None else (_unknown, _even)
    limits = {limit(group) for group in groups if any(_is_in(group, one) for one in parameters)}
    if len(limits) > 1:
        raise ArgumentError(
            "sharpness(optimizer=...) must have one momentum for all its groups; the limits of "
            f"lr times curvature differ: {sorted(map(str, limits))}. Leave the optimizer out."
        )
    scales, decays = [], []
    for one in parameters:
        group = next((each for each in groups if _is_in(each, one)), None)
        share = 0.0 if group is None or lr == 0 else float(group["lr"]) / lr
        scale = one.detach().new_zeros(()) if group is None else scale_of(optimizer, one, group)
        scales.append((share * scale.float()).expand(one.shape).reshape(-1))
        decay = 0.0 if group is None or kind is AdamW else float(group.get("weight_decay", 0.0))
        decays.append(one.detach().new_full((one.numel(),), decay, dtype=torch.float32))
    home = parameters[0].device
    return Edge(
        lr=lr,
        limit=next(iter(limits), None),
        preconditioned=kind in {Adam, AdamW, RMSprop},
        scale=torch.cat([one.to(home) for one in scales]),
        decay=torch.cat([one.to(home) for one in decays]),
    )


def _is_in(group: dict[str, Any], parameter: nn.Parameter) -> bool:
    return any(one is parameter for one in group["params"])


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


def _unknown(_group: dict[str, Any]) -> float | None:
    return None


def _even(_optimizer: Optimizer, parameter: nn.Parameter, _group: dict[str, Any]) -> torch.Tensor:
    return parameter.detach().new_ones(())


def _adam_scale(
    optimizer: Optimizer, parameter: nn.Parameter, group: dict[str, Any]
) -> torch.Tensor:
    state = _state(optimizer, parameter)
    first, second = (float(one) for one in group["betas"])
    updates = float(state["step"])
    mean: torch.Tensor = state["max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"]
    root = (mean / (1 - second**updates)).sqrt()
    scaled: torch.Tensor = (1 - first**updates) * (root + float(group["eps"]))
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
            f"sharpness(optimizer=...): {type(optimizer).__name__} has not updated all that is "
            "trained yet, so what it scales gradients by is not known. Measure after an update."
        )
    return state


_KINDS: dict[
    type[Optimizer] | None,
    tuple[
        Callable[[dict[str, Any]], float | None],
        Callable[[Optimizer, nn.Parameter, dict[str, Any]], torch.Tensor],
    ],
] = {
    SGD: (_sgd_limit, _even),
    Adam: (_adam_limit, _adam_scale),
    AdamW: (_adam_limit, _adam_scale),
    RMSprop: (_rmsprop_limit, _rmsprop_scale),
}
