"""Which trainable tensors never have a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from learnrate.run._update_meter import tensor_norms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["GradientCoverage"]


class GradientCoverage:
    """Remembers which trainable tensors have had a gradient other than 0.

    Attributes:
        looks: inspected gradients, since the list of trainable tensors changed.
        is_complete: whether every tensor had a gradient.
    """

    def __init__(self) -> None:
        self.looks, self.is_complete = 0, False
        self._trainable: list[int] = []
        self._sizes: dict[int, int] = {}
        self._without: set[int] = set()
        self._is_present: set[int] = set()

    def look(self, parameters: Sequence[torch.Tensor]) -> Mapping[str, float]:
        """Look at the gradients right before an update; the columns so far."""
        trainable = [i for i, parameter in enumerate(parameters) if parameter.requires_grad]
        if trainable != self._trainable:
            self.looks, self._trainable = 0, trainable
            self._sizes = {i: parameters[i].numel() for i in trainable}
            self._without, self._is_present = set(trainable), set()
        self.looks += 1
        present = [i for i in sorted(self._without) if parameters[i].grad is not None]
        if present:
            norms = tensor_norms([parameters[i].grad for i in present])  # type: ignore[misc]
            values = torch.stack([norm.to(norms[0].device) for norm in norms]).tolist()
            self._is_present |= set(present)
            self._without -= {i for i, norm in zip(present, values, strict=True) if norm != 0.0}
        self.is_complete = not self._without
        return self._columns()

    def _columns(self) -> dict[str, float]:
        total = max(1, sum(self._sizes.values()))
        without = sum(self._sizes[i] for i in self._without)
        zero = sum(self._sizes[i] for i in self._without & self._is_present)
        columns = {
            "unused_looks": float(self.looks),
            "unused_share": without / total,
            "unused_zero_share": zero / total,
            "unused_tensors": float(len(self._without)),
        }
        if self._without:
            columns["unused_first"] = float(min(self._without))
        return columns
