"""How many learned inner rates are negative, by layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from learnrate.meta._rates import Rates

__all__ = ["NegativeShare", "draw_negative_shares", "negative_shares"]


@dataclass(frozen=True)
class NegativeShare:
    """The learned rates of one parameter tensor after some meta-updates.

    Attributes:
        step: how many meta-updates they had.
        layer: the parameter's name; `"all"` for rates that all share.
        negative: how many of its rates are below 0.
        count: how many it has.
        mean: their mean.
    """

    step: int
    layer: str
    negative: int
    count: int
    mean: float

    @property
    def share(self) -> float:
        """The negative ones' share, 0 to 1."""
        return self.negative / self.count

    def to_dict(self) -> dict[str, Any]:
        """As one row."""
        return asdict(self)


def negative_shares(rates: Rates, step: int = 0, trial: int = 0) -> list[NegativeShare]:
    """Count the negative ones among a trial's inner rates, layer by layer.

    Examples:
        >>> import torch
        >>> from learnrate.meta import Learned
        >>> from learnrate.meta._rates import make_rates
        >>> layer = {"weight": torch.zeros(2, 3)}
        >>> rates = make_rates(Learned(start=-0.1), layer, steps=1, argument="inner_lr")
        >>> [(one.layer, one.negative, one.count) for one in negative_shares(rates)]
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
    for index, layer in enumerate(dict.fromkeys(one.layer for one in shares)):
        own = [one for one in shares if one.layer == layer]
        axes.plot(
            [one.step for one in own],
            [100 * one.share for one in own],
            label=layer,
            color=SERIES[index % len(SERIES)],
            linestyle="-" if index < len(SERIES) else "--",
        )
    axes.set_ylim(bottom=0)
    legend_below(axes)
    return axes
