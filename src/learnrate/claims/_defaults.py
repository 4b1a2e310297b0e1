"""Claims about a default rate: a sweep around the best rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

import numpy as np

from learnrate.claims._claim import Claim, ClaimText
from learnrate.claims._measurement import GOOD, ClaimLine, ClaimMeasurement, factor
from learnrate.claims._measures import excess, geometric_grid
from learnrate.claims._tasks import (
    digits_cnn,
    digits_mlp,
    fashion_cnn,
    fashion_mlp,
    noisy_digits_mlp,
    without_optimizer,
)
from learnrate.claims._trials import ClaimTrials, for_each_task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch

    from learnrate.task import Task

__all__ = ["Default", "default_claim", "default_tasks", "library_claim"]

_DESIGN = (
    "Each network trains with {optimizer} at rates over four decades, three a decade, and at "
    "{rates}, with 5 % warm-up, a linear decay to 0 and the same seeds at every rate. The excess is "
    "relative to the loss at the best rate, which is chosen on the other seeds."
)


def default_tasks(optimizer: str) -> Callable[[bool], Sequence[Task]]:
    """Short runs on digits; in the full test longer runs, also on Fashion-MNIST."""

    def tasks(full: bool) -> Sequence[Task]:
        if not full:
            return [digits_mlp(optimizer, steps=300), digits_cnn(optimizer, steps=200)]
        return [make(optimizer) for make in (digits_mlp, digits_cnn, fashion_mlp, fashion_cnn)]

    return tasks


def default_claim(
    *,
    optimizer: str,
    defaults: Mapping[str, float],
    around: float,
    high: float,
    tasks: Callable[[bool], Sequence[Task]] | None = None,
    **text: Unpack[ClaimText],
) -> Claim:
    """A claim that a rate, or the best of a few, is nearly as good as the best rate.

    Args:
        optimizer: what trains the networks, in words.
        defaults: the default rates, by their text.
        around: the middle of the sweep.
        high: the claim says that the loss is at most this many times the best one.
        tasks: what is trained; by default networks with the optimizer of that name.
        text: statement, source and remark of the claim.
    """

    def measure(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
        grid = sorted({*geometric_grid(around * 1e-2, around * 1e2, 3), *defaults.values()})
        losses = trials.sweep(task, grid)
        excesses = [1.0 + excess(losses, grid.index(rate)) for rate in defaults.values()]
        line = ClaimLine.of_means(task.name, grid, losses)
        return ClaimMeasurement.of(task.name, {"excess": min(excesses, key=np.mean)}, line)

    rates = " and ".join(defaults)
    several = len(defaults) > 1
    return Claim(
        topic="defaults",
        design=_DESIGN.format(
            optimizer=optimizer, rates=rates + (", of which the better counts" if several else "")
        ),
        figures=(
            factor(
                "excess",
                f"validation loss at {'the better of ' * several}{rates} relative to that at the best rate",
                high=high,
            ),
        ),
        measure=for_each_task(measure, most_lines=8),
        tasks=tasks or default_tasks(optimizer),
        seeds=(3, 5),
        **text,
    )


@dataclass(frozen=True)
class Default:
    """An optimizer of a library with its default rate.

    Attributes:
        name: in reports.
        optimizer: makes it, with the library's other defaults.
        lr: the default rate.
        quick: whether the quick test has it too.
    """

    name: str
    optimizer: Callable[..., torch.optim.Optimizer]
    lr: float
    quick: bool = False


def library_claim(
    *, library: str, defaults: Sequence[Default], **text: Unpack[ClaimText]
) -> Claim:
    """A claim that a library's default rates are good.

    Args:
        library: its name.
        defaults: the defaults of its optimizers.
        text: statement, source and remark of the claim.
    """

    def measure(trials: ClaimTrials) -> ClaimMeasurement:
        makers = (noisy_digits_mlp, digits_mlp) if trials.full else (noisy_digits_mlp,)
        parts = []
        for make in makers:
            for default in defaults:
                if not (trials.full or default.quick):
                    continue
                task = replace(without_optimizer(make(steps=200)), optimizer=default.optimizer)
                rates = sorted(
                    {*geometric_grid(0.03 * default.lr, 1e3 * default.lr, 2), default.lr}
                )
                losses = trials.sweep(task, rates)
                where = f"{task.name}, {default.name} at {default.lr:g}"
                ratios = 1.0 + excess(losses, rates.index(default.lr))
                line = ClaimLine.of_means(where, rates, losses)
                parts.append(ClaimMeasurement.of(where, {"excess": ratios}, line))
        return ClaimMeasurement.joined(parts)

    return Claim(
        topic="defaults",
        design=f"""
            Networks with two hidden layers learn digits for 200 updates with each optimizer of {library}.
            They train at the default rate and at 0.03 to 1000 times this rate, two a decade, with 5 %
            warm-up and a linear decay to 0. The loss at the default rate is compared with the loss at
            the best rate, which is chosen on the other seeds. The full test uses digits with and
            without noise. A default is good if its loss is at most a quarter above the best.
        """,
        figures=(
            factor(
                "excess",
                "validation loss at the default divided by that at the best rate",
                high=GOOD,
            ),
        ),
        measure=measure,
        seeds=(3, 4),
        **text,
    )
