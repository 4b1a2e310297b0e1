"""Episodes: small tasks, each with a support to adapt on and a query to be scored on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils._pytree import tree_flatten, tree_map

from learnrate._checks import kind_of
from learnrate._errors import ArgumentError, TaskError
from learnrate.task import as_task_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.utils.data import Dataset

__all__ = ["Episode", "Episodes", "FewShot", "draw_episodes"]


@dataclass(frozen=True)
class Episode:
    """One or several episodes: two batches whose tensors have one row for each episode.

    Attributes:
        support: the batch to adapt on, such as `(inputs, target)`; any nesting of tensors, each of
            shape (episodes, ...).
        query: the batch to score the adapted weights on, of the same form.
    """

    support: Any
    query: Any

    def __len__(self) -> int:
        return len(tree_flatten(self.support)[0][0])

    def __getitem__(self, rows: slice | torch.Tensor) -> Episode:
        return Episode(*(tree_map(lambda tensor: tensor[rows], (self.support, self.query))))

    def to(self, *target: Any) -> Episode:
        """The episodes on another device or with another floating-point type, as `Tensor.to`."""
        types = [argument for argument in target if isinstance(argument, torch.dtype)]
        places = [argument for argument in target if not isinstance(argument, torch.dtype)]

        def moved(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(*places, *(types if tensor.is_floating_point() else []))

        return Episode(*tree_map(moved, (self.support, self.query)))


@runtime_checkable
class Episodes(Protocol):
    """A source of episodes, each with a batch to adapt on and a batch to score on."""

    def draw(self, count: int, seed: int) -> Episode:
        """Draw `count` episodes: every tensor has a first dimension of this length.

        The same count and seed must draw the same episodes.
        """


def draw_episodes(source: Episodes, count: int, seed: int) -> Episode:
    """Draw episodes from a source of the user.

    Args:
        source: the source of episodes.
        count: the number of episodes.
        seed: the seed of the draw.

    Raises:
        TaskError: the source raised an error, or did not return `count` episodes.
    """
    with as_task_error(f"episodes.draw({count}, seed={seed}) raised an error"):
        episode = source.draw(count, seed)
    rule = f"episodes.draw({count}, seed) must return a learnrate.meta.Episode whose tensors have {count} rows"
    if not isinstance(episode, Episode):
        raise TaskError(f"{rule}; got {kind_of(episode)}.")
    for part in tree_flatten((episode.support, episode.query))[0]:
        if not isinstance(part, torch.Tensor):
            raise TaskError(f"{rule}; got {kind_of(part)} in it.")
        if len(part.shape) == 0 or len(part) != count:
            raise TaskError(f"{rule}; got a tensor of shape {tuple(part.shape)}.")
    return episode


class FewShot:
    """N-way K-shot classification from labelled examples.

    An episode has `ways` classes, with `shots` examples of each in its support and `queries` others
    in its query. In every episode, classes are numbered from 0 in the order in which they are drawn.

    Args:
        inputs: the examples, an array or a tensor of shape (n, ...); or a Dataset of pairs
            (input, label).
        labels: the class of each example, shape (n,); None for a Dataset.
        ways: classes in an episode, at least 2.
        shots: support examples of each class, at least 1.
        queries: query examples of each class, at least 1.
        groups: the group of each example, such as an alphabet or a person, shape (n,). All classes
            of an episode then come from one group.

    Raises:
        ArgumentError: a class has too few examples for an episode, a group too few classes, or a
            value is outside its rule.

    Examples:
        >>> import numpy as np
        >>> digits = FewShot(np.random.rand(60, 4), np.arange(60) % 6, ways=3, shots=2, queries=5)
        >>> digits.draw(8, seed=0).query[0].shape
        torch.Size([8, 15, 4])
        >>> train, test = digits.split(by="class", held_out=3, seed=0)
        >>> test.classes
        3
    """

    def __init__(
        self,
        inputs: np.ndarray | torch.Tensor | Dataset[Any],
        labels: np.ndarray | torch.Tensor | Sequence[int] | None = None,
        *,
        ways: int,
        shots: int,
        queries: int,
        groups: np.ndarray | Sequence[Any] | None = None,
    ) -> None:
        for name, value, least in (
            ("ways", ways, 2),
            ("shots", shots, 1),
            ("queries", queries, 1),
        ):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ArgumentError(
                    f"FewShot({name}=...) must be a whole number, at least {least}; got {value!r}."
                )
        self.ways, self.shots, self.queries = ways, shots, queries
        if labels is None:
            inputs, labels = _read(inputs)
        self._inputs = torch.as_tensor(inputs)
        self._labels = np.asarray(labels)
        self._groups = None if groups is None else np.asarray(groups)
        for name, values in (("labels", self._labels), ("groups", self._groups)):
            if values is not None and values.shape != (len(self._inputs),):
                raise ArgumentError(
                    f"FewShot({name}=...) must have one entry for each example, shape "
                    f"({len(self._inputs)},); got shape {values.shape}."
                )
        self._members = _members(self._labels, shots + queries)
        self._pools = self._grouped()

    @property
    def classes(self) -> int:
        """The number of classes to draw from."""
        return len(self._members)

    def draw(self, count: int, seed: int) -> Episode:
        """Draw `count` episodes; the same count and seed draw the same ones."""
        rng = np.random.default_rng(seed)
        rows = np.stack([self._rows(rng) for _ in range(count)])
        target = torch.arange(self.ways)
        return Episode(
            self._batch(rows[:, :, : self.shots], target),
            self._batch(rows[:, :, self.shots :], target),
        )

    def split(self, *, by: str, held_out: int, seed: int = 0) -> tuple[FewShot, FewShot]:
        """Two sources without a common class: one for meta-training and one for testing.

        Args:
            by: `"class"`, or `"group"` to hold out whole groups.
            held_out: how many classes or groups the second source has.
            seed: the seed of the choice of these.

        Raises:
            ArgumentError: `by` is neither, there are no groups, or one side would be empty.
        """
        if by not in {"class", "group"} or (by == "group" and self._groups is None):
            raise ArgumentError(
                f"split(by=...) must be 'class', or 'group' if groups=... is given; got {by!r}."
            )
        keys = self._labels if by == "class" else self._groups
        kinds = np.unique(np.asarray(keys))
        if not 0 < held_out < len(kinds):
            raise ArgumentError(
                f"split(held_out=...) must leave some on each side, from 1 to {len(kinds) - 1} of "
                f"{len(kinds)}; got {held_out!r}."
            )
        chosen = np.random.default_rng(seed).permutation(kinds)[:held_out]
        out = np.isin(np.asarray(keys), chosen)
        return self._part(~out), self._part(out)

    def _part(self, rows: np.ndarray) -> FewShot:
        return FewShot(
            self._inputs[torch.from_numpy(np.flatnonzero(rows))],
            self._labels[rows],
            ways=self.ways,
            shots=self.shots,
            queries=self.queries,
            groups=None if self._groups is None else self._groups[rows],
        )

    def _grouped(self) -> list[np.ndarray]:
        """The classes of each group that has enough of them, as indices into the list of classes."""
        if self._groups is None:
            pools = [np.arange(self.classes)]
        else:
            group_of = _group_of_each(self._groups, self._labels, self._members)
            pools = [np.flatnonzero(group_of == group) for group in np.unique(group_of)]
        enough = [pool for pool in pools if len(pool) >= self.ways]
        if not enough:
            most = max(len(pool) for pool in pools)
            where = "there are" if self._groups is None else "no group has more than"
            raise ArgumentError(
                f"FewShot(ways={self.ways}) needs this many classes in an episode; {where} {most}. "
                "Ask for fewer ways."
            )
        return enough

    def _rows(self, rng: np.random.Generator) -> np.ndarray:
        sizes = np.array([len(pool) for pool in self._pools], dtype=float)
        pool = self._pools[rng.choice(len(sizes), p=sizes / sizes.sum())]
        chosen = rng.choice(pool, self.ways, replace=False)
        need = self.shots + self.queries
        return np.stack(
            [rng.choice(self._members[class_index], need, replace=False) for class_index in chosen]
        )

    def _batch(self, rows: np.ndarray, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count, _, per_class = rows.shape
        inputs = self._inputs[torch.from_numpy(rows.reshape(count, -1))]
        return inputs, target.repeat_interleave(per_class).expand(count, -1)


def _read(dataset: Any) -> tuple[torch.Tensor, np.ndarray]:
    """All examples of a Dataset of pairs, in memory."""
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise ArgumentError(
            "FewShot needs arrays with labels=..., or a Dataset of (input, label) with a length; "
            f"got {kind_of(dataset)}."
        )
    pairs = [dataset[index] for index in range(len(dataset))]
    if not pairs or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise ArgumentError(
            "FewShot needs labels=..., or a Dataset whose items are pairs (input, label)."
        )
    return torch.stack([torch.as_tensor(x) for x, _ in pairs]), np.array(
        [int(y) for _, y in pairs]
    )


def _group_of_each(
    groups: np.ndarray, labels: np.ndarray, members: list[np.ndarray]
) -> np.ndarray:
    for members_of_class in members:
        if len(np.unique(groups[members_of_class])) > 1:
            raise ArgumentError(
                f"class {labels[members_of_class[0]]} is in several groups; a class must lie within one. "
                "Give the classes of each group numbers of their own."
            )
    return np.array([groups[members_of_class[0]] for members_of_class in members])


def _members(labels: np.ndarray, need: int) -> list[np.ndarray]:
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) and counts.min() < need:
        smallest = classes[counts.argmin()]
        raise ArgumentError(
            f"class {smallest} has {counts.min()} examples; an episode takes shots + queries = {need} "
            "of a class. Ask for fewer, or leave the class out."
        )
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(counts)[:-1])
