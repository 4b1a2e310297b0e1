"""The facts that a run records of its optimizers and its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate._group_scales import scaled_rates
from learnrate.run._untrained import untrained_facts
from learnrate.run._update_meter import parameters_of

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

__all__ = ["optimizer_facts"]

_MOST_NAMES = 400  # of tensors that are recorded


def optimizer_facts(
    optimizers: list[Optimizer],
    model: nn.Module | None,
    clip_norm: float | None,
    *,
    scaled: bool,
) -> dict[str, Any]:
    """The facts of the optimizers and the model that are recorded when a run begins.

    Args:
        optimizers: the optimizers of the run.
        model: the trained model, if it is known.
        clip_norm: the norm that the run clips to; None if it does not.
        scaled: whether the rates of groups are multiplied by their `lr_scale`; an external scheduler
            does so by itself.
    """
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    facts: dict[str, Any] = {
        "optimizer": " + ".join(type(optimizer).__name__ for optimizer in optimizers),
        "group_lr": [
            rate for optimizer in optimizers for rate in _built_rates(optimizer, scaled=scaled)
        ],
        "parameters": sum(parameter.numel() for parameter in parameters_of(*optimizers)),
    }
    for key in ("betas", "momentum", "dampening", "nesterov", "weight_decay"):
        if key in groups[0]:
            option = groups[0][key]
            is_pair = isinstance(option, tuple)
            facts[key] = [float(beta) for beta in option] if is_pair else float(option)
    if all(hasattr(optimizer, "train") and hasattr(optimizer, "eval") for optimizer in optimizers):
        facts["schedule_free"] = True  # it averages the weights instead of decaying the rate
    if model is not None:
        facts["model"] = type(model).__name__
        facts |= _parameter_names(optimizers, model)
        facts |= untrained_facts(optimizers, model)
    if clip_norm is not None:
        facts["clip_norm"] = clip_norm
    return facts


def _built_rates(optimizer: Optimizer, *, scaled: bool) -> list[float]:
    """The rate that each group was built with."""
    groups = optimizer.param_groups
    rates = [float(group.get("initial_lr", group["lr"])) for group in groups]
    return scaled_rates(rates, groups) if scaled else rates


def _parameter_names(optimizers: list[Optimizer], model: nn.Module) -> dict[str, list[str]]:
    """The names of the optimizer's tensors in order; none for several optimizers, or for too many."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    parameters = parameters_of(*optimizers)
    if len(optimizers) > 1 or len(parameters) > _MOST_NAMES:
        return {}
    return {"parameter_names": [names.get(id(parameter), "?") for parameter in parameters]}
