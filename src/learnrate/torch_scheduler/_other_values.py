"""What a torch scheduler sets in the parameter groups besides the rate, such as the momentum."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from torch.optim import lr_scheduler

from learnrate._errors import ArgumentError
from learnrate.schedules import Constant
from learnrate.torch_scheduler._hyperparameter import Hyperparameter
from learnrate.torch_scheduler._simulation import Twin, kept_generators, nested, position

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableSequence, Sequence

    from torch.optim import Optimizer

    from learnrate.torch_scheduler._hyperparameter import Group

__all__ = ["OtherValues", "SetByScheduler"]

_AHEAD = 1024  # steps that are simulated at once if the run has no known end
_NUMBER = bool | int | float
_OF_THE_RATE = {"params", "lr"}
_CYCLES = (lr_scheduler.OneCycleLR, lr_scheduler.CyclicLR)


class OtherValues:
    """The values that a scheduler sets besides the rate, one for each of its steps.

    Of torch's own schedulers, only `OneCycleLR` and `CyclicLR` set any: the momentum, or the first
    of the betas. For a scheduler of another package, all numbers of the groups are compared.

    Args:
        scheduler: a scheduler of torch.

    Attributes:
        columns: the values from the scheduler's present step on, by the index of the group and the
            name, such as `(0, "betas[0]")`.
    """

    def __init__(self, scheduler: Any) -> None:
        self.kind = type(scheduler).__name__
        self._optimizer: Optimizer = scheduler.optimizer
        self._first, self._length = position(scheduler), 0
        self._twin: Twin | None = None  # at the step of the last values; None if no more follow
        parts = list(nested(scheduler))
        self._is_known = all(type(part).__module__.startswith("torch.") for part in parts)
        cycles = [part for part in parts if isinstance(part, _CYCLES) and part.cycle_momentum]
        names = {"betas[0]" if part.use_beta1 else "momentum" for part in cycles}
        self._begin: list[dict[str, Any]] = []  # the numbers of each group
        self.columns: dict[tuple[int, str], MutableSequence[Any]] = {
            (group, name): array("d")
            for name in sorted(names)
            for group in range(len(self._optimizer.param_groups))
        }

    @property
    def changing(self) -> list[str]:
        """The names of what has more than one value."""
        names = [name for (_, name), column in self.columns.items() if len(set(column)) > 1]
        return list(dict.fromkeys(names))

    def note(self, twin: Twin) -> None:
        """Add the values of one more step.

        Args:
            twin: a copy of the scheduler at this step.
        """
        self._twin = twin
        if not self._is_known:
            self._compare(twin.groups)
        for (group, name), column in self.columns.items():
            value = _value(twin.groups[group], name)
            if isinstance(column, array) and not isinstance(value, float):
                self.columns[group, name] = [*column, value]
            else:
                column.append(value)
        self._length += 1

    def end(self) -> None:
        """Keep the last values: the run has no further steps."""
        self._twin = None

    def at(self, group: int, name: str, calls: int) -> Any:
        """A value after a number of calls of the scheduler's `step()`, from the first one on.

        Args:
            group: index of the parameter group in the scheduler's optimizer.
            name: the name of the value.
            calls: the number of calls of `step()`.
        """
        index = max(calls - self._first, 0)
        if index >= self._length and self._twin is not None:
            self._simulate(self._twin, index + _AHEAD - self._length)
        column = self.columns[group, name]
        return column[min(index, len(column) - 1)]

    def parameters(self, optimizers: Sequence[Optimizer], every: int) -> list[Hyperparameter]:
        """The values as hyper-parameters of a run.

        Args:
            optimizers: the optimizers of the run.
            every: updates between two calls of the scheduler's `step()`.

        Raises:
            ArgumentError: the scheduler was made for another optimizer.
        """
        if not self.columns:
            return []
        before = 0
        for optimizer in optimizers:
            if optimizer.param_groups is self._optimizer.param_groups:
                return [SetByScheduler(self, key, before, every) for key in self.columns]
            before += len(optimizer.param_groups)
        names = " and ".join(dict.fromkeys(name for _, name in self.columns))
        raise ArgumentError(
            f"attach(schedule=...) must be a scheduler of the run's optimizer, because a {self.kind} "
            f"that sets {names} too was made for another one. Make it for this optimizer, or pass "
            "the rate alone: learnrate.from_torch(scheduler, name='lr')."
        )

    def _simulate(self, twin: Twin, count: int) -> None:
        with kept_generators():
            try:
                twin.advance(count, self.note)
            except ArgumentError:  # it has an end
                self.end()

    def _compare(self, groups: list[Group]) -> None:
        """Begin a column for every number that has changed since the first step."""
        if not self._begin:
            self._begin = [dict(_numbers(group)) for group in groups]
            return
        for index, (begin, group) in enumerate(zip(self._begin, groups, strict=True)):
            for name, value in _numbers(group):
                if begin.get(name, value) != value and (index, name) not in self.columns:
                    earlier = [begin[name]] * self._length
                    is_real = isinstance(begin[name], float)
                    self.columns[index, name] = array("d", earlier) if is_real else earlier


class SetByScheduler(Hyperparameter):
    """A value that a scheduler sets in one group besides the rate, as a hyper-parameter of a run.

    Args:
        values: the values of the scheduler.
        column: the index of the group in the scheduler's optimizer, and the name of the value.
        before: the number of groups of the optimizers in front of it.
        every: updates between two calls of the scheduler's `step()`.
    """

    def __init__(
        self, values: OtherValues, column: tuple[int, str], before: int, every: int
    ) -> None:
        group, name = column
        super().__init__(name, Constant(), only=before + group)
        self._of_scheduler, self._column, self._every = values, column, every

    @property
    def source(self) -> str:
        """Where the values come from, in words."""
        return f"as {self._of_scheduler.kind} sets it"

    def _block(self, step: int, length: int) -> list[Any]:
        steps = range(step, step + length)
        return [self._of_scheduler.at(*self._column, index // self._every) for index in steps]


def _numbers(group: Group) -> Iterator[tuple[str, Any]]:
    """The numbers of a group besides the rate, by name."""
    for key, value in group.items():
        if key in _OF_THE_RATE:
            continue
        if isinstance(value, _NUMBER):
            yield key, value
        elif isinstance(value, tuple):
            for i, element in enumerate(value):
                if isinstance(element, _NUMBER):
                    yield f"{key}[{i}]", element


def _value(group: Group, name: str) -> Any:
    key, _, index = name.removesuffix("]").partition("[")
    return group[key][int(index)] if index else group[key]
