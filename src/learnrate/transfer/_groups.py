"""The rates of muP as plain parameter groups of a torch optimizer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from learnrate._checks import kind_of
from learnrate._errors import ArgumentError
from learnrate.transfer._parametrize import parametrization_of
from learnrate.transfer._rules import Family, Multipliers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import nn

    from learnrate.transfer._parametrize import ParameterRule

__all__ = ["factors_by_parameter", "family_of", "regroup"]

_FAMILIES: dict[type[torch.optim.Optimizer], Family] = {
    torch.optim.SGD: Family.SGD,
    torch.optim.Adam: Family.ADAM,
    torch.optim.AdamW: Family.ADAM,
    torch.optim.NAdam: Family.ADAM,
    torch.optim.RAdam: Family.ADAM,
    torch.optim.Adamax: Family.ADAM,
    torch.optim.RMSprop: Family.ADAM,
    torch.optim.Muon: Family.MUON,
}
_SCALED = ("lr", "weight_decay", "eps")


def family_of(optimizer: torch.optim.Optimizer) -> Family:
    """The family whose rules hold for an optimizer.

    Raises:
        ArgumentError: no rule is known for it.
    """
    for kind, family in _FAMILIES.items():
        if type(optimizer) is kind or (
            isinstance(optimizer, kind) and type(optimizer).step is kind.step
        ):
            return family
    names = ", ".join(kind.__name__ for kind in _FAMILIES)
    raise ArgumentError(
        f"the rules of muP are known for {names}; got {kind_of(optimizer)}. If its update is "
        "like that of one of these, pass family='sgd', 'adam' (every entry moves by about the "
        "rate) or 'muon'."
    )


def regroup(
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    model: nn.Module,
    *,
    family: str | None = None,
) -> float:
    """Split the parameter groups of a new optimizer, and give each the rate of muP.

    The groups' own rates are those at the base width. The groups are plain: their rates, weight
    decay and epsilon are multiplied, and everything else stays. So they survive any scheduler and
    `state_dict`.

    A torch scheduler multiplies the rate of each group. A schedule of learnrate sets the highest
    rate, and the other groups keep their share of it. At another width the highest rate may be
    another one, so multiply the peak that was found at the base width by the returned factor.

    Args:
        optimizer: one or several, which have made no update.
        model: the model, after `parametrize`.
        family: `"sgd"`, `"adam"` or `"muon"`, for an optimizer that is like one of these; by default
            it follows from the optimizer's type.

    Returns:
        The highest rate of all groups, divided by the highest rate before.

    Raises:
        ArgumentError: the model was not parametrized, the optimizer has made updates, or there are
            no rules for it.

    Examples:
        >>> import torch
        >>> from learnrate import transfer
        >>> def make_model(width):
        ...     return torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.Linear(width, 2))
        >>> model = make_model(256)
        >>> _ = transfer.parametrize(model, base=make_model(64))
        >>> optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        >>> regroup(optimizer, model)
        1.0
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.01, 0.0025, 0.01]
    """
    rules = parametrization_of(model).rules
    if family is not None and family not in list(Family):
        raise ArgumentError(f"family must be one of {', '.join(Family)}; got {family!r}.")
    by_parameter = {id(parameter): rules[name] for name, parameter in model.named_parameters()}
    optimizers = [optimizer] if isinstance(optimizer, torch.optim.Optimizer) else list(optimizer)
    before = _highest(optimizers)
    for part in optimizers:
        _regroup(part, by_parameter, family_of(part) if family is None else Family(family))
    return _highest(optimizers) / before


def factors_by_parameter(
    optimizers: Sequence[torch.optim.Optimizer], model: nn.Module
) -> dict[str, Multipliers]:
    """The factors of the settings of every parameter, by its name.

    Args:
        optimizers: the optimizers of the model.
        model: the model, after `parametrize`.
    """
    rules = parametrization_of(model).rules
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    factors = {
        names[id(parameter)]: _factors(rules[names[id(parameter)]], group, family_of(optimizer))
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    return {name: factors[name] for name in rules if name in factors}


def _highest(optimizers: Iterable[torch.optim.Optimizer]) -> float:
    return max(float(group["lr"]) for part in optimizers for group in part.param_groups)


def _regroup(
    optimizer: torch.optim.Optimizer, rules: dict[int, ParameterRule], family: Family
) -> None:
    if optimizer.state:
        raise ArgumentError(
            "regroup(optimizer=...) must be a new optimizer; this one has made updates. Regroup it "
            "before the first update, and load a state_dict afterwards."
        )
    groups: list[dict[str, Any]] = []
    for group in optimizer.param_groups:
        parts: dict[tuple[float, ...], dict[str, Any]] = {}
        for parameter in group["params"]:
            rule = rules.get(id(parameter))
            if rule is None:
                raise ArgumentError(
                    "regroup(optimizer=...) must train parameters of the model; a parameter of "
                    f"shape {tuple(parameter.shape)} is not among them."
                )
            factors = _factors(rule, group, family)
            key = (factors.lr, factors.weight_decay, factors.eps)
            part = parts.setdefault(key, _multiplied(group, factors, family))
            part["params"].append(parameter)
        groups += parts.values()
    optimizer.param_groups[:] = groups


def _factors(rule: ParameterRule, group: dict[str, Any], family: Family) -> Multipliers:
    coupled = family is Family.ADAM and not group.get("decoupled_weight_decay", False)
    adjustment = 1.0
    if "adjust_lr_fn" in group:
        adjustment = _adjusted(group, rule.shape) / _adjusted(group, rule.base_shape)
    return rule.multipliers(family, coupled=coupled, adjustment=adjustment)


def _adjusted(group: dict[str, Any], shape: Sequence[int]) -> float:
    """The factor that `torch.optim.Muon` gives the rate of a matrix, up to a constant."""
    rows, columns = shape[:2]
    if group["adjust_lr_fn"] == "match_rms_adamw":
        return math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))


def _multiplied(group: dict[str, Any], factors: Multipliers, family: Family) -> dict[str, Any]:
    """A group without parameters, whose settings are multiplied."""
    part = {name: value for name, value in group.items() if name != "params"}
    scaled = _SCALED if family is Family.ADAM else _SCALED[:2]
    for name in (*scaled, "initial_lr"):
        if name in part:
            part[name] = part[name] * getattr(factors, "lr" if name == "initial_lr" else name)
    part["params"] = []
    return part
