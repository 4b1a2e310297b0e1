"""`lr_scale`: the factor that timm and others give a parameter group for its rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["rate_ratios", "scaled_rates"]

_ROUNDING = 1e-9


def scaled_rates(rates: Sequence[float], groups: Sequence[Mapping[str, Any]]) -> list[float]:
    """The rates of parameter groups, multiplied by the `lr_scale` of each.

    If the rates are already proportional to the scales, as after a first step of timm's
    scheduler, they are returned as they are.

    Args:
        rates: one for each group.
        groups: the parameter groups; a group without `lr_scale` has 1.

    Examples:
        >>> scaled_rates([0.1, 0.1], [{"lr_scale": 0.5}, {}])
        [0.05, 0.1]
        >>> scaled_rates([0.05, 0.1], [{"lr_scale": 0.5}, {}])
        [0.05, 0.1]
    """
    scales = [float(group.get("lr_scale", 1.0)) for group in groups]
    if all(scale == 1.0 for scale in scales):
        return list(rates)
    bases = [rate / scale for rate, scale in zip(rates, scales, strict=True) if scale != 0.0]
    spread = max(bases, default=0.0) - min(bases, default=0.0)
    are_scaled = len({*scales} - {0.0}) > 1 and spread <= _ROUNDING * max(map(abs, bases))
    if are_scaled:
        return list(rates)
    return [rate * scale for rate, scale in zip(rates, scales, strict=True)]


def rate_ratios(groups: Sequence[Mapping[str, Any]]) -> list[float]:
    """The rate of each parameter group as a share of the highest, as the user set them."""
    rates = scaled_rates([float(group["lr"]) for group in groups], groups)
    highest = max(rates)
    return [rate / highest if highest > 0 else 1.0 for rate in rates]
