"""The coordinate check: activations and updates of every layer over widths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._axes import draw_chart
from learnrate._chart import describe
from learnrate._checks import check_finite, check_seed, check_whole
from learnrate._errors import ArgumentError
from learnrate._progress import ProgressBar
from learnrate.transfer._family import at_width, checked_widths
from learnrate.transfer._probe import LayerProbe, LayerSizes
from learnrate.transfer._slopes import BOUND, Power, Verdict, fitted_power, judged
from learnrate.trials import Training, derived_seed, preserved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

    from learnrate.task import Task
    from learnrate.transfer._family import WidthTask

__all__ = ["CoordinateCheck", "LayerCheck", "check"]

_CONFIDENCE = 0.95
_MOST_UPDATES_AND_SEEDS = 10_000  # updates and seeds


@dataclass(frozen=True)
class LayerCheck:
    """The measurements of a layer.

    Attributes:
        layer: its name.
        grows: whether its output grows with the width; a readout's output does not.
        start: the root mean square of its output before the first update, shape (widths, seeds).
        update: the root mean square of what its own updates change in its output, same shape.
        change: the root mean square of the whole change of its output, same shape.
        powers: the powers of the width, by quantity; a quantity that is 0 has none.
    """

    layer: str
    grows: bool
    start: np.ndarray
    update: np.ndarray
    change: np.ndarray
    powers: Mapping[str, Power]

    @property
    def judged_powers(self) -> dict[str, Power]:
        """The powers that must be 0; a readout's first output may shrink with the width."""
        start = self.powers.get("start")
        counts = self.grows or (start is not None and start.low > BOUND)
        return {name: power for name, power in self.powers.items() if name != "start" or counts}

    def to_dict(self) -> dict[str, Any]:
        """The layer, and each of its powers with the interval, as JSON values."""
        return {
            "layer": self.layer,
            "grows": self.grows,
            "powers": {
                name: {"value": power.value, "low": power.low, "high": power.high}
                for name, power in self.powers.items()
            },
        }


@dataclass(frozen=True)
class CoordinateCheck:
    """The coordinate check of a task.

    Attributes:
        widths: the widths, increasing.
        updates: how many updates were made at each.
        layers: what was measured, in the order of the forward pass.
        parametrization: "mup" or "standard".
        notes: sentences for the user.
    """

    widths: tuple[int, ...]
    updates: int
    layers: tuple[LayerCheck, ...]
    parametrization: str
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether activations and updates keep their size over widths."""
        return judged([power for layer in self.layers for power in layer.judged_powers.values()])

    @cached_property
    def breaking(self) -> tuple[LayerCheck, str] | None:
        """The layer that breaks the parametrization, and the quantity; None if none certainly does.

        A layer's own update comes before its first output, and both before the whole change. A wrong
        size of outputs propagates to later layers, so the first layer is named. A wrong size of
        gradients propagates to earlier layers, so the last of the layers whose updates have the
        highest power is named.
        """
        for quantity in ("update", "start", "change"):
            broken = [
                (layer, layer.powers[quantity])
                for layer in self.layers
                if quantity in layer.judged_powers and layer.powers[quantity].excess > 0
            ]
            if not broken:
                continue
            if quantity != "update":
                return broken[0][0], quantity
            _, worst = max(broken, key=lambda part: part[1].excess)
            alike = [layer for layer, power in broken if power.overlaps(worst)]
            return alike[-1], quantity
        return None

    @property
    def reason(self) -> str:
        """Why the verdict is what it is: the layer that breaks the rules, or the range that was tested."""
        span = f"from width {self.widths[0]:,} to {self.widths[-1]:,}"
        if self.breaking is not None:
            layer, quantity = self.breaking
            power = layer.powers[quantity]
            count = sum(
                any(p.excess > 0 for p in part.judged_powers.values()) for part in self.layers
            )
            others = f" So do {count - 1} more of {len(self.layers)} layers." if count > 1 else ""
            return (
                f"{layer.layer} breaks the rules: {_WORDS[quantity]} as width^{power.value:.2f} "
                f"({power.low:.2f} to {power.high:.2f}) {span}.{others}"
            )
        unsure = [
            layer
            for layer in self.layers
            if judged([*layer.judged_powers.values()]) is not Verdict.HOLDS
        ]
        if unsure:
            worst = max(unsure, key=_widest)
            name, power = max(worst.judged_powers.items(), key=lambda part: _reach(part[1]))
            return (
                f"{worst.layer} cannot be judged: {_WORDS[name]} as width^{power.value:.2f} "
                f"({power.low:.2f} to {power.high:.2f}) {span}. Give more widths or more seeds."
            )
        return f"the outputs and updates of {len(self.layers)} layers keep their size {span}."

    def plot(self) -> Figure:
        """Draw what scales with the width, with matplotlib; needs the extra `plot`."""
        return draw_chart(describe(self))

    def to_dict(self) -> dict[str, Any]:
        """The document of `learnrate transfer check --json`."""
        return {
            "verdict": str(self.verdict),
            "reason": self.reason,
            "breaks": None if self.breaking is None else self.breaking[0].layer,
            "parametrization": self.parametrization,
            "widths": list(self.widths),
            "updates": self.updates,
            "layers": [layer.to_dict() for layer in self.layers],
            "notes": list(self.notes),
        }


_WORDS = {
    "start": "its first output scales",
    "update": "the change of its output by its own updates scales",
    "change": "the change of its output scales",
}


def _reach(power: Power) -> float:
    return max(abs(power.low), abs(power.high))


def _widest(layer: LayerCheck) -> float:
    return max((_reach(power) for power in layer.judged_powers.values()), default=0.0)


def check(
    make_task: Callable[[int], Task],
    widths: Sequence[int],
    *,
    base: int | None = None,
    standard: bool = False,
    lr: float | None = None,
    updates: int = 4,
    seeds: int = 4,
    seed: int = 0,
    roles: Mapping[str, str] | None = None,
    progress: bool = True,
) -> CoordinateCheck:
    """Measure activations and updates of every layer over widths.

    At each width the task is trained for a few updates at a constant rate. For each layer, three sizes
    are measured on a fixed batch: its output before the first update; the change of its output; and the
    change by its own updates alone, for the input that it had first. In the maximal-update
    parametrization none of them depends on the width. Each size is fitted as a power of the width. A
    layer breaks the rules if the whole interval of the power is above 1/4 or below -1/4, half of the
    smallest power that a wrong factor gives in theory.

    Args:
        make_task: a function of the width that returns a `learnrate.Task`.
        widths: three or more different widths.
        base: the width at which the task has the rates of its own optimizer; the smallest by default.
        standard: whether to check the task as its code makes it, without muP.
        lr: the rate at the base width, above 0; that of the task's optimizer by default.
        updates: how many updates to make, 1 to 10,000.
        seeds: how many trainings at each width, 2 to 10,000.
        seed: the same seed gives the same check.
        roles: the roles of parameters whose role does not follow from their shapes; see
            `parametrize`.
        progress: show a bar with the remaining time on standard error.

    Raises:
        ArgumentError: an argument is outside its rule, or a loss is not finite.
        TaskError: the task cannot be trained.

    Examples:
        >>> import torch
        >>> from learnrate import Task
        >>> x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
        >>> def make_task(width):
        ...     return Task(
        ...         model=lambda: torch.nn.Sequential(
        ...             torch.nn.Linear(4, width), torch.nn.ReLU(), torch.nn.Linear(width, 1)
        ...         ),
        ...         loss=torch.nn.MSELoss(),
        ...         data=[(x, x.sum(1, keepdim=True))],
        ...         total_steps=5,
        ...     )
        >>> checked = check(make_task, [16, 32, 64], updates=2, seeds=2)
        >>> [layer.layer for layer in checked.layers]
        ['0', '2']
    """
    check_whole("check", "updates", updates, 1, high=_MOST_UPDATES_AND_SEEDS)
    way_out = "The intervals come from the spread over seeds."
    check_whole("check", "seeds", seeds, 2, way_out, high=_MOST_UPDATES_AND_SEEDS)
    check_seed("check", seed)
    if lr is not None:
        check_finite("check", "lr", lr, 0.0)
    ordered = checked_widths(widths, 3)
    chosen = None if standard else (base or ordered[0])
    sizes: dict[str, list[list[LayerSizes]]] = {}
    notes: dict[str, None] = {}
    with ProgressBar(len(ordered) * seeds, shown=progress) as bar:
        for index, width in enumerate(ordered):
            wide = at_width(make_task, width, base=chosen, roles=roles)
            if wide.parametrization is not None and width == ordered[-1]:
                notes |= dict.fromkeys(wide.parametrization.notes)
            for number in range(seeds):
                bar.show(index * seeds + number, f"width {width:,}")
                measured = _measured(wide, derived_seed(seed, 31, number), updates, lr)
                for layer, layer_sizes in measured.items():
                    sizes.setdefault(layer, [[] for _ in ordered])[index].append(layer_sizes)
    return CoordinateCheck(
        widths=tuple(ordered),
        updates=updates,
        layers=tuple(_layers(sizes, ordered, seeds)),
        parametrization="standard" if standard else "mup",
        notes=tuple(notes),
    )


def _measured(wide: WidthTask, seed: int, updates: int, lr: float | None) -> dict[str, LayerSizes]:
    """The sizes of every layer after some updates, of one training."""
    with preserved(wide.task):
        training = Training(wide.task, seed)
        batch = training.batches_ahead(1)[0]
        probe = LayerProbe(training.model, lambda: training.loss_of(batch), seed)
        for _ in range(updates):
            loss = training.update(None if lr is None else lr * wide.peak_factor)
            if not np.isfinite(loss):
                raise ArgumentError(
                    f"the loss at width {wide.width:,} is not finite after a few updates; "
                    "give a lower rate with lr=... (--lr RATE)."
                )
        return probe.sizes()


def _layers(
    sizes: Mapping[str, list[list[LayerSizes]]], widths: Sequence[int], seeds: int
) -> list[LayerCheck]:
    """The layers that every width has, with their powers, whose confidence holds for all together."""
    whole = {layer: rows for layer, rows in sizes.items() if all(len(r) == seeds for r in rows)}
    confidence = 1 - (1 - _CONFIDENCE) / max(1, 3 * len(whole))
    places = np.repeat(np.array(widths, dtype=float), seeds)
    checks = []
    for layer, rows in whole.items():
        tables = {
            name: np.array([[getattr(part, name) for part in row] for row in rows])
            for name in ("start", "update", "change")
        }
        powers = {
            name: power
            for name, table in tables.items()
            if (power := fitted_power(places, table.ravel(), confidence)) is not None
        }
        grows = rows[0][0].features != rows[-1][0].features
        checks.append(LayerCheck(layer=layer, grows=grows, powers=powers, **tables))
    return checks
