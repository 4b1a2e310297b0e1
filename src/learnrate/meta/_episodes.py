"""Episodes: small tasks of their own, each a support to adapt on and a query to be scored on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils._pytree import tree_flatten, tree_map

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.utils.data import Dataset

__all__ = ["Episode", "Episodes", "FewShot"]


@dataclass(frozen=True)
class Episode:
    """Some episodes at once: two batches whose tensors have one row an episode.

    Attributes:
        support: what is adapted on, such as `(inputs, target)`; any nesting of tensors, each of
            shape (episodes, ...).
        query: what the adapted weights are scored on, likewise.
    """

    support: Any
    query: Any

    def __len__(self) -> int:
        return len(tree_flatten(self.support)[0][0])

    def __getitem__(self, rows: slice | torch.Tensor) -> Episode:
        return Episode(*(tree_map(lambda one: one[rows], (self.support, self.query))))

    def to(self, *target: Any) -> Episode:
        """The same on another device, or floats in another type, as `Tensor.to` takes them."""
        types = [one for one in target if isinstance(one, torch.dtype)]
        places = [one for one in target if not isinstance(one, torch.dtype)]

        def moved(one: torch.Tensor) -> torch.Tensor:
            return one.to(*places, *(types if one.is_floating_point() else []))

        return Episode(*tree_map(moved, (self.support, self.query)))


@runtime_checkable
class Episodes(Protocol):
    """A source of episodes: the same count and seed draw the same ones."""

    def draw(self, count: int, seed: int) -> Episode:
        """`count` episodes, each tensor with a first dimension of that length."""


class FewShot:
    """N-way K-shot classification out of labelled examples.

    An episode takes `ways` classes, `shots` examples of each for its support and `queries` others
    for its query; classes are numbered anew from 0, in the order drawn.

    Args:
        inputs: examples, shape (n, ...), an array or a tensor; or a Dataset of (input, label).
        labels: the class of each, shape (n,); None for a Dataset.
        ways: classes in an episode, at least 2.
        shots: support examples of each, at least 1.
        queries: query examples of each, at least 1.
        groups: a group of each example, as an alphabet or a person, shape (n,). All classes of an
            episode then come from one group.

    Raises:
        ArgumentError: a class has too few examples for an episode, a group too few classes, or a
            value is outside its rule.

    Examples:
        >>> import numpy as np
        >>> digits = FewShot(np.random.rand(60, 4), np.arange(60) % 6, ways=3, shots=2, queries=5)
        >>> digits.draw(8, seed=0).query[0].shape
        torch.Size([8, 15, 4])
        >>> seen, new = digits.split(by="class", held_out=3, seed=0)
        >>> new.classes
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
        for name, given in (("labels", self._labels), ("groups", self._groups)):
            if given is not None and given.shape != (len(self._inputs),):
                raise ArgumentError(
                    f"FewShot({name}=...) must have one entry an example, shape "
                    f"({len(self._inputs)},); got shape {given.shape}."
                )
        self._members = _members(self._labels, shots + queries)
        self._pools = self._grouped()

    @property
    def classes(self) -> int:
        """How many classes there are to draw from."""
        return len(self._members)

    def draw(self, count: int, seed: int) -> Episode:
        """`count` episodes; the same count and seed draw the same ones."""
        rng = np.random.default_rng(seed)
        rows = np.stack([self._rows(rng) for _ in range(count)])
        target = torch.arange(self.ways)
        return Episode(
            self._batch(rows[:, :, : self.shots], target),
            self._batch(rows[:, :, self.shots :], target),
        )

    def split(self, *, by: str, held_out: int, seed: int = 0) -> tuple[FewShot, FewShot]:
        """Two sources without a class in common: to meta-train on, and to test on.

        Args:
            by: `"class"`, or `"group"`, which holds whole groups out.
            held_out: how many classes or groups the second has.
            seed: which ones.

        Raises:
            ArgumentError: `by` is neither, there are no groups, or one side would be empty.
        """
        if by not in {"class", "group"} or (by == "group" and self._groups is None):
            raise ArgumentError(
                f"split(by=...) must be 'class', or 'group' where groups=... is given; got {by!r}."
            )
        keys = self._labels if by == "class" else self._groups
        kinds = np.unique(np.asarray(keys))
        if not 0 < held_out < len(kinds):
            raise ArgumentError(
                f"split(held_out=...) must leave some on each side, 1 to {len(kinds) - 1} of "
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
        """The classes of each group that has enough of them, as places in the list of classes."""
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
                f"FewShot(ways={self.ways}) needs as many classes in an episode; {where} {most}. "
                "Ask for fewer ways."
            )
        return enough

    def _rows(self, rng: np.random.Generator) -> np.ndarray:
        sizes = np.array([len(pool) for pool in self._pools], dtype=float)
        pool = self._pools[rng.choice(len(sizes), p=sizes / sizes.sum())]
        chosen = rng.choice(pool, self.ways, replace=False)
        need = self.shots + self.queries
        return np.stack([rng.choice(self._members[at], need, replace=False) for at in chosen])

    def _batch(self, rows: np.ndarray, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count, _, each = rows.shape
        inputs = self._inputs[torch.from_numpy(rows.reshape(count, -1))]
        return inputs, target.repeat_interleave(each).expand(count, -1)


def _read(dataset: Any) -> tuple[torch.Tensor, np.ndarray]:
    """Every example of a Dataset of pairs, in memory."""
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise ArgumentError(
            "FewShot needs arrays with labels=..., or a Dataset of (input, label) with a length; "
            f"got a {type(dataset).__name__}."
        )
    pairs = [dataset[at] for at in range(len(dataset))]
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
    for own in members:
        if len(np.unique(groups[own])) > 1:
            raise ArgumentError(
                f"class {labels[own[0]]} is in several groups; a class must lie within one. "
                "Number the classes of each group apart."
            )
    return np.array([groups[own[0]] for own in members])


def _members(labels: np.ndarray, need: int) -> list[np.ndarray]:
    kinds, counts = np.unique(labels, return_counts=True)
    if len(kinds) and counts.min() < need:
        short = kinds[counts.argmin()]
        raise ArgumentError(
            f"class {short} has {counts.min()} examples; an episode takes shots + queries = {need} "
            "of a class. Ask for fewer, or leave the class out."
        )
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(counts)[:-1])
