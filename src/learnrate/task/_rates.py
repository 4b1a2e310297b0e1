"""Several rates of one task: which parameters each of them is for, and the task at given rates."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from learnrate.task._task import Task

__all__ = ["RateGroups", "RatesArgument"]

RatesArgument = str | Mapping[str, str | int | Iterable[int]]
"""`"groups"`, `"optimizers"`, or what each rate is for, by name: a mapping, or `"A=*a*, B=*b*"`."""

_RULE = (
    'rates must be "groups", "optimizers", or for each rate a name with parameter groups or a '
    "pattern of parameter names"
)
_EXAMPLE = 'Examples: {"matrices": 0, "rest": [1, 2]}, or {"A": "*lora_A*", "B": "*lora_B*"}'
_FEWEST, _MOST = 2, 3


@dataclass(frozen=True)
class RateGroups:
    """The rates of a task that are set separately.

    Parameter groups that share a rate keep their ratios; the rate is the highest of the groups' rates.

    Attributes:
        names: the names of the rates.
        members: the parameter groups of each rate, numbered through all optimizers; empty if
            `patterns` decide.
        patterns: one for each rate; a parameter belongs to the first that fits its name. The groups
            of an optimizer are split by them. Empty if `members` decide.
        ratios: each parameter group's own rate divided by the rate it shares, after the split.
        owners: which rate each parameter group has, after the split.
        lrs: the value that each rate has in the task.
    """

    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    patterns: tuple[str, ...]
    ratios: tuple[float, ...]
    owners: tuple[int, ...]
    lrs: tuple[float, ...] = ()

    @classmethod
    def of(cls, task: Task, rates: RatesArgument, model: nn.Module) -> RateGroups:
        """The rates that a user asks for.

        Args:
            task: what is trained.
            rates: `"groups"` for the parameter groups, `"optimizers"` for the optimizers, or a
                mapping from names to the number of a parameter group, several numbers, or a pattern
                such as `"*lora_A*"` of the names of parameters; or that as text, such as
                `"hidden=0, rest=1+2"`.
            model: the model of the task.

        Raises:
            ArgumentError: `rates` is none of these, does not fit the task, or is not 2 or 3 rates.
        """
        optimizers = task.optimizers_of(model)
        if isinstance(rates, str):
            rates = _named(rates, optimizers)
        if not isinstance(rates, Mapping) or not rates:
            raise ArgumentError(f"{_RULE}; got {rates!r}. {_EXAMPLE}")
        names = tuple(map(str, rates))
        if len(names) < _FEWEST:
            raise ArgumentError(
                f"rates must be 2 or 3 rates; got {len(names)}. Give the optimizer several parameter "
                'groups, or name parameters by patterns: {"weights": "*weight", "biases": "*bias"}'
            )
        if len(names) > _MOST:
            raise ArgumentError(
                f"rates must be 2 or 3 rates, since trials of more would not tell them apart; got "
                f'{len(names)}. Give several parameter groups one name: {{"matrices": 0, "rest": [1, 2]}}'
            )
        patterns: tuple[str, ...] = ()
        members: tuple[tuple[int, ...], ...] = ()
        if all(isinstance(value, str) for value in rates.values()):
            patterns = tuple(str(value) for value in rates.values())
            owners = _split(optimizers, model, names, patterns)
        else:
            members = tuple(_numbers(value) for value in rates.values())
            owners = _owners(members, names, len(_groups(optimizers)))
        group_lrs = [
            float(group["lr"]) * float(group.get("lr_scale", 1.0)) for group in _groups(optimizers)
        ]
        lrs = [
            max(lr for lr, owner in zip(group_lrs, owners, strict=True) if owner == number)
            for number in range(len(names))
        ]
        ratios = [
            lr / lrs[owner] if lrs[owner] > 0 else 1.0
            for lr, owner in zip(group_lrs, owners, strict=True)
        ]
        return cls(names, members, patterns, tuple(ratios), tuple(owners), tuple(lrs))

    def rates_of_groups(self, rates: Sequence[float]) -> list[float]:
        """The rate of each parameter group.

        Examples:
            >>> RateGroups(("a", "b"), (), (), (1.0, 0.1, 1.0), (0, 0, 1)).rates_of_groups([2.0, 3.0])
            [2.0, 0.2, 3.0]
        """
        return [
            rates[owner] * ratio for owner, ratio in zip(self.owners, self.ratios, strict=True)
        ]

    def text(self, rates: Sequence[float]) -> str:
        """A text that identifies a training at these rates among those of the same task.

        Examples:
            >>> RateGroups(("a", "b"), (), (), (1.0, 0.1, 1.0), (0, 0, 1)).text([2.0, 3.0])
            'rates 2, 0.2, 3'
        """
        numbers = ", ".join(f"{lr:.6g}" for lr in self.rates_of_groups(rates))
        return f"rates {numbers}{f' of {self.patterns}' if self.patterns else ''}"

    def task_at(self, task: Task, rates: Sequence[float]) -> Task:
        """The same task with other rates in its parameter groups, split if patterns say so.

        Args:
            task: what is trained.
            rates: one for each name, at least 0.
        """
        chosen = self.rates_of_groups(rates)

        def optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
            changed = task.optimizers_of(model)
            if self.patterns:
                _split(changed, model, self.names, self.patterns)
            for group, lr in zip(_groups(changed), chosen, strict=True):
                group.pop("lr_scale", None)  # the ratios have it already
                group["lr"] = torch.full_like(group["lr"], lr) if _is_tensor(group["lr"]) else lr
            return changed

        return replace(task, optimizer=optimizers)


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)


def _groups(optimizers: Sequence[torch.optim.Optimizer]) -> list[dict[str, Any]]:
    return [group for optimizer in optimizers for group in optimizer.param_groups]


def _named(rates: str, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """The mapping that `"groups"`, `"optimizers"` or `"name=..., name=..."` stands for."""
    if rates == "groups":
        names = [str(group.get("name", "")) for group in _groups(optimizers)]
        is_named = all(names) and len({*names}) == len(names)
        return {name if is_named else f"group {index}": index for index, name in enumerate(names)}
    if rates == "optimizers":
        kinds = [type(optimizer).__name__ for optimizer in optimizers]
        named: dict[str, Any] = {}
        first = 0
        for index, (kind, optimizer) in enumerate(zip(kinds, optimizers, strict=True)):
            name = kind if kinds.count(kind) == 1 else f"{kind} {index}"
            count = len(optimizer.param_groups)
            named[name] = list(range(first, first + count))
            first += count
        return named
    parts = [part.partition("=") for part in rates.split(",")]
    if not all(equals and name.strip() and value.strip() for name, equals, value in parts):
        raise ArgumentError(f"{_RULE}; got {rates!r}. {_EXAMPLE}")
    return {name.strip(): _written(value.strip()) for name, _, value in parts}


def _written(value: str) -> str | list[int]:
    """Numbers of parameter groups, such as `1+2`, or else a pattern.

    Examples:
        >>> _written("1+2"), _written("*lora_A*")
        ([1, 2], '*lora_A*')
    """
    numbers = value.split("+")
    return [int(number) for number in numbers] if all(map(str.isdigit, numbers)) else value


def _numbers(value: object) -> tuple[int, ...]:
    """The numbers of parameter groups of one rate."""
    numbers = [value] if isinstance(value, int) else value
    if not isinstance(numbers, Iterable) or isinstance(numbers, str):
        raise ArgumentError(f"{_RULE}, of one kind for all rates; got {value!r}. {_EXAMPLE}")
    checked = tuple(numbers)
    if not checked or not all(type(number) is int for number in checked):
        raise ArgumentError(f"{_RULE}; got {value!r}. {_EXAMPLE}")
    return checked


def _owners(members: Sequence[Sequence[int]], names: Sequence[str], count: int) -> list[int]:
    """Which rate each parameter group has."""
    owners: dict[int, int] = {}
    for owner, numbers in enumerate(members):
        for number in numbers:
            if not 0 <= number < count:
                raise ArgumentError(
                    f"rates: {names[owner]!r} has parameter group {number}, and the task has "
                    f"{count}, numbered 0 to {count - 1} through all optimizers."
                )
            if number in owners:
                raise ArgumentError(
                    f"rates: parameter group {number} has two rates, {names[owners[number]]!r} and "
                    f"{names[owner]!r}; give it to one."
                )
            owners[number] = owner
    missing = [number for number in range(count) if number not in owners]
    if missing:
        raise ArgumentError(
            f"rates: parameter group {missing[0]} has no rate; add it to one of {', '.join(names)}."
        )
    return [owners[number] for number in range(count)]


def _split(
    optimizers: Sequence[torch.optim.Optimizer],
    model: nn.Module,
    names: Sequence[str],
    patterns: Sequence[str],
) -> list[int]:
    """Split every parameter group by the patterns; returns which rate each new group has."""
    named = {id(parameter): name for name, parameter in model.named_parameters()}
    owners: list[int] = []
    for optimizer in optimizers:
        split: list[dict[str, Any]] = []
        for group in optimizer.param_groups:
            parts: dict[int, list[torch.Tensor]] = {}
            for parameter in group["params"]:
                owner = _owner_of(named.get(id(parameter), ""), patterns)
                parts.setdefault(owner, []).append(parameter)
            for owner in sorted(parts):
                split.append({**group, "params": parts[owner]})
                owners.append(owner)
        optimizer.param_groups[:] = split
    unused = [name for owner, name in enumerate(names) if owner not in owners]
    if unused:
        pattern = patterns[list(names).index(unused[0])]
        raise ArgumentError(
            f"rates: the pattern {pattern!r} of {unused[0]!r} fits no parameter that the optimizer "
            f"trains. Their names are {_first_names(named.values())}."
        )
    return owners


def _owner_of(name: str, patterns: Sequence[str]) -> int:
    """The first rate whose pattern fits a parameter's name."""
    for owner, pattern in enumerate(patterns):
        if fnmatch.fnmatchcase(name, pattern):
            return owner
    raise ArgumentError(
        f"rates: no pattern fits the parameter {name!r}; the pattern '*' as the last one takes the rest."
    )


def _first_names(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:4]) + (" and others" if len(listed) > 4 else "")
