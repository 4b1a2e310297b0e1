"""The share of learned inner rates that are negative, by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from learnrate._records import to_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from learnrate.meta._rates import InnerRates

__all__ = ["NegativeShare", "draw_negative_shares", "negative_shares"]


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
        """The fields by name."""
        return to_dict(self)


def negative_shares(rates: InnerRates, step: int = 0, trial: int = 0) -> list[NegativeShare]:
    """Count a trial's negative inner rates, layer by layer.

    Args:
        rates: of one or several trials.
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


def draw_negative_shares(shares: Sequence[NegativeShare], axes: Axes | None = None) -> Axes:
    """Draw each layer's share of negative rates over meta-training.

    Raises:
        MissingExtraError: `axes` is None and matplotlib is not installed.
    """
    from learnrate._axes import SERIES, axes_or_new, legend_below, style  # noqa: PLC0415 - slow

    axes = axes_or_new(axes)
    style(axes, "Learned inner rates below 0", x="meta-update", y="share of the layer's rates, %")
    for index, layer in enumerate(dict.fromkeys(share.layer for share in shares)):
        shares_of_layer = [share for share in shares if share.layer == layer]
        axes.plot(
            [share.step for share in shares_of_layer],
            [100 * share.share for share in shares_of_layer],
            label=layer,
            color=SERIES[index % len(SERIES)],
            linestyle="-" if index < len(SERIES) else "--",
        )
    axes.set_ylim(bottom=0)
    legend_below(axes)
    return axes
