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
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from learnrate.torch_scheduler._hyperparameter import Hyperparameter

    Rates = npt.NDArray[np.float64]

__all__ = ["Twin", "kept_generators", "nested", "position", "simulated"]

REPEATED = 1000  # steps that are simulated twice if a scheduler calls a function of the user
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
    """The scheduler, and those that it consists of."""
    yield scheduler
    for part in getattr(scheduler, "_schedulers", ()):
        yield from nested(part)


def position(scheduler: Any) -> int:
    """The number of steps a scheduler has made; a chained one has only the counts of its parts."""
    while not hasattr(scheduler, "last_epoch"):
        scheduler = scheduler._schedulers[0]  # noqa: SLF001 - torch keeps them nowhere else
    return max(int(scheduler.last_epoch), 0)


def simulated(
    scheduler: lr_scheduler.LRScheduler,
    count: int,
    parameter: Hyperparameter,
    note: Callable[[Twin], None] | None = None,
) -> Rates:
    """The values of the next `count` steps; one row per step, one column per group.

    Neither the scheduler nor a global random generator is changed. Rates that are tensors are
    simulated in double precision.

    Args:
        scheduler: a scheduler of torch.
        count: how many steps, the present one included.
        parameter: what is read.
        note: called with the copy of the scheduler at every step, to read more from its groups.

    Raises:
        ArgumentError: the scheduler ends earlier, or does not give the same rates twice.
    """
    with kept_generators():
        rates = _simulated_once(scheduler, count, parameter, note)
        if all(type(part) in _WITHOUT_FUNCTIONS for part in nested(scheduler)):
            return rates
        again = _simulated_once(scheduler, min(count, REPEATED), parameter)
    if not np.array_equal(again, rates[: len(again)], equal_nan=True):
        raise ArgumentError(
            f"from_torch(scheduler=...) must give the same rates whenever it is asked; this "
            f"{type(scheduler).__name__} gives others the second time, because a function that it "
            "calls draws at random or changes what it depends on. Pass to it a function of the step "
            "alone, such as lambda step: random.Random(step).random()."
        )
    return rates


class Twin:
    """A copy of a scheduler, which is stepped with an empty optimizer.

    Args:
        scheduler: a scheduler of torch. It is not changed.

    Attributes:
        groups: the parameter groups of the copy, at its present step.
    """

    def __init__(self, scheduler: Any) -> None:
        optimizer = _stand_in(scheduler.optimizer)
        self._scheduler = copy.deepcopy(scheduler, {id(scheduler.optimizer): optimizer})
        for part in nested(self._scheduler):
            for name in ("base_lrs", "max_lrs", "_last_lr"):
                if name in vars(part):  # it is a property of a TorchSchedule
                    setattr(part, name, [_plain(rate) for rate in getattr(part, name)])
        self.groups: list[dict[str, Any]] = optimizer.param_groups

    def advance(self, count: int, note: Callable[[Twin], None]) -> None:
        """Make steps, and call `note` after each.

        Args:
            count: how many.
            note: called with this object.

        Raises:
            ArgumentError: the scheduler ends earlier.
        """
        with warnings.catch_warnings():
            # The original scheduler has given torch's warnings already.
            warnings.simplefilter("ignore")
            for _ in range(count):
                try:
                    self._scheduler.step()
                except ValueError as error:
                    raise ArgumentError(
                        f"from_torch(total_steps=...) must not exceed the scheduler's length: {error}"
                    ) from error
                note(self)


def _simulated_once(
    scheduler: Any,
    count: int,
    parameter: Hyperparameter,
    note: Callable[[Twin], None] | None = None,
) -> Rates:
    rows: list[list[float]] = []

    def read(twin: Twin) -> None:
        rows.append([parameter.read(group) for group in twin.groups])
        if note is not None:
            note(twin)

    twin = Twin(scheduler)
    read(twin)
    twin.advance(count - 1, read)
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
def kept_generators() -> Iterator[None]:
    """Restore Python's, NumPy's and torch's global generators, which a user's function may draw from."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])
