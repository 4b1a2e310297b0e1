"""The share of learned inner rates that are negative, by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from learnrate._records import to_dict

if TYPE_CHECKING:
    from learnrate.meta._rates import InnerRates

__all__ = ["NegativeShare", "negative_shares"]


@dataclass(frozen=True)
class NegativeShare:
    """The learned rates of one parameter tensor after some meta-updates.

    Attributes:
        step: the number of meta-updates made.
        layer: the parameter's name; `"all"` for rates that all parameters share.
        negative: how many of its rates are below 0.
        count: how many rates it has.
        mean: their mean.
    """

    step: int
    layer: str
    negative: int
    count: int
    mean: float

    @property
    def share(self) -> float:
        """The share of negative rates, from 0 to 1."""
        return self.negative / self.count

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON values."""
        return to_dict(self)


def negative_shares(rates: InnerRates, step: int = 0, trial: int = 0) -> list[NegativeShare]:
    """Count a trial's negative inner rates, layer by layer.

    Args:
        rates: the rates of one or several trials.
        step: the number of meta-updates made, to be kept in the result.
        trial: the trial's index.

    Examples:
        >>> import torch
        >>> from learnrate.meta import Learned
        >>> from learnrate.meta._rates import make_rates
        >>> parameters = {"weight": torch.zeros(2, 3)}
        >>> rates = make_rates(Learned(start=-0.1), parameters, steps=1, argument="inner_lr")
        >>> [(layer.layer, layer.negative, layer.count) for layer in negative_shares(rates)]
        [('weight', 6, 6)]
    """
    return [
        NegativeShare(
            step,
            name or "all",
            int((values[trial] < 0).sum()),
            values[trial].numel(),
            float(values[trial].detach().mean()),
        )
        for name, values in rates.values.items()
    ]
