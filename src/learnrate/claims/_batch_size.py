"""The design that claims about the batch size share: the best rate at several batch sizes."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims import _data as data
from learnrate.claims._claim import Case, Figure, Line, Measured
from learnrate.claims._measures import best_rates, geometric_grid
from learnrate.claims._tasks import mlp, task_on
from learnrate.probing import noise_scale
from learnrate.trials import Training, preserved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from learnrate.claims._bench import Bench
    from learnrate.claims._data import Examples
    from learnrate.task import Task

__all__ = ["BATCH_AXES", "BATCH_DESIGN", "batch_figures", "measure_batches"]

_SMALL = (4, 8, 16, 32)
_LARGE = (32, 64, 128, 256)
_PASSES = 4

BATCH_DESIGN = (
    "A network trains with {optimizer} at batches of 4 to 256 examples and at rates three a "
    "decade: 5 % warm-up, linear to 0, 4 passes over the data at every batch size (as Goyal et "
    "al. compare, so that a larger batch makes fewer updates). The best rate is that of the "
    "lowest validation loss; the exponent is the slope of its logarithm against the batch's, "
    "from 4 to 32 and from 32 to 256. Beside it the same at one number of updates, that of "
    "batch 32."
)

BATCH_AXES = ("batch", "best rate")


def batch_figures(low: float, high: float, beyond: float = math.inf) -> tuple[Figure, ...]:
    """The exponent at small batches, claimed to lie so, and what stands beside it."""
    says = "d ln best rate / d ln batch"
    return (
        Figure(name="exponent", says=f"{says}, batch 4 to 32", low=low, high=high),
        Figure(name="beyond", says="the same from batch 32 to 256", high=beyond),
        Figure(name="exponent, equal updates", says=f"{says}, batch 4 to 32, equal updates"),
        Figure(name="noise scale", says="examples, half-way through a run", unit="x"),
    )


def measure_batches(grids: Mapping[str, tuple[float, float]]) -> Callable[[Bench], Measured]:
    """Measures the exponents for each optimizer, on rates from its first to its second."""

    def measure(bench: Bench) -> Measured:
        cases, lines = [], []

        def best(task: Task) -> np.ndarray:
            return best_rates(np.array(rates), bench.sweep(task, rates))

        for examples in (
            [data.digits(), data.fashion().first(2400)] if bench.full else [data.digits()]
        ):
            for optimizer, (low, high) in grids.items():
                rates = geometric_grid(low, high)
                passes = {
                    size: best(_task(examples, optimizer, size)) for size in (*_SMALL, *_LARGE)
                }
                updates = {
                    size: best(_task(examples, optimizer, size, like=_SMALL[-1]))
                    for size in _SMALL
                }
                where = f"{examples.name}, {optimizer}"
                cases += [
                    Case("exponent", where, _exponents(passes, _SMALL)),
                    Case("beyond", where, _exponents(passes, _LARGE)),
                    Case("exponent, equal updates", where, _exponents(updates, _SMALL)),
                ]
                middle = _task(examples, optimizer, _SMALL[-1])
                noise = [
                    _noise(middle, lr, seed)
                    for lr, seed in zip(passes[_SMALL[-1]].tolist(), bench.seeds, strict=True)
                ]
                cases.append(Case("noise scale", where, noise))
                lines += [_line(where, passes), _line(f"{where}, equal updates", updates)]
        return Measured(cases, lines[:6])

    return measure


def _task(examples: Examples, optimizer: str, size: int, like: int | None = None) -> Task:
    """At a batch of `size`, as many updates as passes make at a batch of `like`, or at its own."""
    model = partial(mlp, examples.x[0].numel(), 32)
    steps = _PASSES * len(examples.x) // (like or size)
    return task_on(examples, model, optimizer, batch=size, steps=steps, called=f"batch {size}")


def _exponents(best: dict[int, np.ndarray], sizes: Sequence[int]) -> list[float]:
    """Each seed's slope of ln best rate against ln batch."""
    slopes: np.ndarray = np.polyfit(np.log(sizes), np.log([best[one] for one in sizes]), 1)[0]
    return [float(slope) for slope in slopes]


def _noise(task: Task, lr: float, seed: int) -> float:
    """The gradient noise scale half-way through a run at a constant rate, in examples."""
    with preserved(task):
        training = Training(task, seed)
        for _ in range(task.run_length() // 2):
            training.update(lr / 2)
        batches = [training.next_batch() for _ in range(36)]
        # Where the gradient is lost in the noise: more than all that was looked at.
        return min(noise_scale(training.model, task.loss_of, batches).noise, 36.0 * _SMALL[-1])


def _line(label: str, best: dict[int, np.ndarray]) -> Line:
    means = [float(np.exp(np.log(rates).mean())) for rates in best.values()]
    return Line(label, list(best), means)
