"""The rates that a torch scheduler would give: a copy of it is stepped with an empty optimizer."""

from __future__ import annotations

import copy
import random
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.optim import lr_scheduler, swa_utils

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from learnrate.torch_scheduler._hyperparameter import Hyperparameter

    Rates = npt.NDArray[np.float64]

__all__ = ["nested", "position", "simulated"]

REPEATED = 1000  # steps that are simulated twice if a scheduler calls a function of the user's
_WITHOUT_FUNCTIONS = {
    lr_scheduler.ChainedScheduler,
    lr_scheduler.ConstantLR,
    lr_scheduler.CosineAnnealingLR,
    lr_scheduler.CosineAnnealingWarmRestarts,
    lr_scheduler.ExponentialLR,
    lr_scheduler.LinearLR,
    lr_scheduler.MultiStepLR,
    lr_scheduler.OneCycleLR,
    lr_scheduler.PolynomialLR,
    lr_scheduler.SequentialLR,
    lr_scheduler.StepLR,
    swa_utils.SWALR,
}


def nested(scheduler: Any) -> Iterator[Any]:
    """The scheduler, and those that it is made of."""
    yield scheduler
    for part in getattr(scheduler, "_schedulers", ()):
        yield from nested(part)


def position(scheduler: Any) -> int:
    """The number of steps a scheduler has made; a chained one has only the counts of its parts."""
    while not hasattr(scheduler, "last_epoch"):
        scheduler = scheduler._schedulers[0]  # noqa: SLF001 - torch keeps them nowhere else
    return max(int(scheduler.last_epoch), 0)


def simulated(scheduler: lr_scheduler.LRScheduler, count: int, parameter: Hyperparameter) -> Rates:
    """The values of the next `count` steps; one row per step, one column per group.

    Neither the scheduler nor a global random generator is changed. Rates that are tensors are
    simulated in double precision.

    Args:
        scheduler: a scheduler of torch.
        count: how many steps, the present one included.
        parameter: what is read.

    Raises:
        ArgumentError: the scheduler ends earlier, or does not give the same rates twice.
    """
    with _kept_generators():
        rates = _one_simulation(scheduler, count, parameter)
        if all(type(part) in _WITHOUT_FUNCTIONS for part in nested(scheduler)):
            return rates
        again = _one_simulation(scheduler, min(count, REPEATED), parameter)
    if not np.array_equal(again, rates[: len(again)], equal_nan=True):
        raise ArgumentError(
            f"from_torch(scheduler=...) must give the same rates whenever it is asked; this "
            f"{type(scheduler).__name__} gives others the second time, because a function that it "
            "calls draws at random or changes what it depends on. Pass to it a function of the step "
            "alone, such as lambda step: random.Random(step).random()."
        )
    return rates


def _one_simulation(scheduler: Any, count: int, parameter: Hyperparameter) -> Rates:
    optimizer = _stand_in(scheduler.optimizer)
    twin = copy.deepcopy(scheduler, {id(scheduler.optimizer): optimizer})
    for part in nested(twin):
        for name in ("base_lrs", "max_lrs", "_last_lr"):
            if hasattr(part, name):
                setattr(part, name, [_plain(rate) for rate in getattr(part, name)])
    rows = [[parameter.read(group) for group in optimizer.param_groups]]
    with warnings.catch_warnings():
        # The original scheduler has given torch's warnings already.
        warnings.simplefilter("ignore")
        for _ in range(count - 1):
            try:
                twin.step()
            except ValueError as error:
                raise ArgumentError(
                    f"from_torch(total_steps=...) must not exceed the scheduler's length: {error}"
                ) from error
            rows.append([parameter.read(group) for group in optimizer.param_groups])
    return np.array(rows, dtype=np.float64)


def _stand_in(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """An optimizer with the same groups and no parameters; numbers that are tensors are floats."""
    empty = torch.optim.SGD([torch.zeros(1)], lr=0.0)
    empty.param_groups = [
        {**{k: _plain(copy.deepcopy(v)) for k, v in group.items() if k != "params"}, "params": []}
        for group in optimizer.param_groups
    ]
    empty.defaults = dict(optimizer.defaults)
    return empty


def _plain(value: Any) -> Any:
    """A tensor of one element as a float; anything else as it is."""
    is_number = isinstance(value, torch.Tensor) and value.numel() == 1
    return float(value) if is_number else value


@contextmanager
def _kept_generators() -> Iterator[None]:
    """Restore Python's, NumPy's and torch's global generators, which a user's function may draw from."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])
