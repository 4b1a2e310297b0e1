"""Claims about the batch size: the best rate at several batch sizes."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np

from learnrate.claims import _data as data
from learnrate.claims._claim import Claim, ClaimAxes, ClaimTextAndSeeds
from learnrate.claims._measurement import ClaimLine, ClaimMeasurement, Figure, factor
from learnrate.claims._measures import best_rates, geometric_grid, geometric_mean
from learnrate.claims._tasks import mlp, task_on
from learnrate.probing import noise_scale
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from learnrate.claims._data import Examples
    from learnrate.claims._trials import ClaimTrials
    from learnrate.task import Task

__all__ = ["batch_size_claim"]

_SMALL = (4, 8, 16, 32)
_LARGE = (32, 64, 128, 256)
_PASSES = 4
_EXPONENT = "d ln best rate / d ln batch"


def batch_size_claim(
    *,
    optimizer: str,
    grids: Mapping[str, tuple[float, float]],
    low: float,
    high: float,
    beyond: float = math.inf,
    **text: Unpack[ClaimTextAndSeeds],
) -> Claim:
    """A claim that the best rate grows with a power of the batch size.

    Args:
        optimizer: what trains the networks, in words.
        grids: for each optimizer the lowest and the highest rate tried.
        low: the claim says that the exponent at small batches is at least this.
        high: the claim says that the exponent at small batches is at most this.
        beyond: the claim says that the exponent at large batches is at most this.
        text: statement, source and remark of the claim, and its numbers of seeds.
    """

    def measure(trials: ClaimTrials) -> ClaimMeasurement:
        full_examples = [data.fashion().first(2400)] if trials.full else []
        return ClaimMeasurement.joined(
            _measured(trials, examples, optimizer, geometric_grid(*grid))
            for examples in [data.digits(), *full_examples]
            for optimizer, grid in grids.items()
        )

    return Claim(
        topic="batch size",
        design=f"""
            A network trains with {optimizer} at batch sizes of 4 to 256 and at rates three a decade, with
            5 % warm-up and a linear decay to 0. At every batch size it makes 4 passes over the data, as
            in Goyal et al., so a larger batch means fewer updates. The best rate has the lowest
            validation loss. The exponent is the slope of the logarithm of the best rate against the
            logarithm of the batch size, from 4 to 32 and from 32 to 256. It is also reported for the
            same number of updates, that of batch size 32.
        """,
        figures=(
            Figure("exponent", f"{_EXPONENT}, batch 4 to 32", low=low, high=high),
            Figure("beyond", "the same from batch 32 to 256", high=beyond),
            Figure("exponent, equal updates", f"{_EXPONENT}, batch 4 to 32, equal updates"),
            factor("noise scale", "examples, half-way through a run"),
        ),
        measure=measure,
        axes=ClaimAxes("batch", "best rate", log="xy"),
        **text,
    )


def _measured(
    trials: ClaimTrials, examples: Examples, optimizer: str, rates: list[float]
) -> ClaimMeasurement:
    """How the best rate grows with the batch, below and beyond the noise scale."""

    def best(task: Task) -> np.ndarray:
        return best_rates(np.array(rates), trials.sweep(task, rates))

    reference = _SMALL[-1]
    passes = {size: best(_task(examples, optimizer, size)) for size in (*_SMALL, *_LARGE)}
    updates = {size: best(_task(examples, optimizer, size, reference)) for size in _SMALL}
    middle = _task(examples, optimizer, reference)
    noise = [
        _noise(middle, lr, seed)
        for lr, seed in zip(passes[reference].tolist(), trials.seeds, strict=True)
    ]
    where = f"{examples.name}, {optimizer}"
    return ClaimMeasurement.of(
        where,
        {
            "exponent": _exponents(passes, _SMALL),
            "beyond": _exponents(passes, _LARGE),
            "exponent, equal updates": _exponents(updates, _SMALL),
            "noise scale": noise,
        },
        _line(where, passes),
        _line(f"{where}, equal updates", updates),
    )


def _task(examples: Examples, optimizer: str, size: int, reference: int | None = None) -> Task:
    """Batches of `size` examples, with as many updates as passes make at the reference size."""
    model = partial(mlp, examples.x[0].numel(), 32)
    steps = _PASSES * len(examples.x) // (reference or size)
    return task_on(examples, model, optimizer, batch=size, steps=steps, label=f"batch {size}")


def _exponents(best: dict[int, np.ndarray], sizes: Sequence[int]) -> np.ndarray:
    """Each seed's slope of ln best rate against ln batch."""
    logs = np.log([best[size] for size in sizes])
    return np.asarray(np.polyfit(np.log(sizes), logs, 1)[0])


def _noise(task: Task, lr: float, seed: int) -> float:
    """The gradient noise scale half-way through a run at a constant rate, in examples."""
    with preserved(task):
        training = Training(task, seed)
        for _ in range(task.run_length() // 2):
            training.update(lr / 2)
        batches = [training.next_batch() for _ in range(36)]
        # If noise hides the gradient, the scale is larger than the number of examples used.
        return min(noise_scale(training.model, task.loss_of, batches).noise, 36.0 * _SMALL[-1])


def _line(label: str, best: dict[int, np.ndarray]) -> ClaimLine:
    return ClaimLine.of(label, list(best), geometric_mean(np.array(list(best.values())), axis=1))
