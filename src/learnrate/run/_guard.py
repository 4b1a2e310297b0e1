"""Guard: rolls a run back and lowers its rate when the loss diverges."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from learnrate._checks import check_finite, check_share, check_whole, refuse
from learnrate._statistics import STD_OF_DEVIATION, normal_quantile

__all__ = ["Guard", "GuardState", "Rollback"]

_MIN_LOSSES = 10  # good losses before a spike can be recognised
_ROUNDING = 1e-12  # share of a constant loss by which another loss must exceed it
_LOSSES_PER_LIMIT = 10  # good losses from one computation of the limit to the next
_NEVER = -(2**53)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """How a run is guarded: `attach(..., guard=True)` or `guard=Guard(max_rescues=5)`.

    A snapshot is taken every `every` updates; the last `keep` of them are kept. When the loss is not finite,
    or is a spike for `patience` updates in a row, the run goes back to a snapshot from before the spike, and
    the rate is multiplied by `factor`. The data is not rewound, so the batches in between are not used again.
    If the loss diverges again right after a rescue, the data is assumed to be the cause, and the rate is not
    lowered. After `max_rescues` rescues the run stops, with advice.

    A loss is a spike if it exceeds the median of the last `window` good losses by more than
    `spike` robust standard deviations of them, and by more than the share `lost_share` of the fall from
    the first losses to this median. The last rule spares a run that has memorised its data. The
    standard deviation includes the tails of the losses, so that noisy batches are not spikes. The
    result is the same for a * loss + b with a above 0.

    Args:
        every: updates from one snapshot to the next; None for a fiftieth of the run, from 1 to
            1000.
        keep: the number of snapshots that are kept, at least 1.
        folder: where snapshots are written; None keeps them in memory.
        factor: what the rate is multiplied by at each rescue, above 0 and below 1.
        max_rescues: rescues before the run is stopped, at least 0.
        patience: spikes in a row that make a rescue necessary, at least 1.
        spike: robust standard deviations that make a loss a spike, at least 1.
        window: good losses that the limit is computed from, at least 10.
        lost_share: share of the fall of the loss that a spike must undo, above 0 and below 1.

    Raises:
        ArgumentError: a value is outside its rule.
    """

    every: int | None = None
    keep: int = 3
    folder: str | Path | None = None
    factor: float = 0.5
    max_rescues: int = 3
    patience: int = 3
    spike: float = 8.0
    window: int = 100
    lost_share: float = 0.05

    def __post_init__(self) -> None:
        for name, low in (
            ("keep", 1),
            ("max_rescues", 0),
            ("patience", 1),
            ("window", _MIN_LOSSES),
        ):
            check_whole("Guard", name, getattr(self, name), low)
        if self.every is not None:
            check_whole("Guard", "every", self.every, 1)
        check_share("Guard", "factor", self.factor)
        check_share("Guard", "lost_share", self.lost_share)
        check_finite("Guard", "spike", self.spike, 1.0)
        if self.folder is not None and not isinstance(self.folder, str | Path):
            refuse("Guard", "folder", "a folder, or None", self.folder)

    def snapshot_interval(self, total_steps: int | None) -> int:
        """Updates from one snapshot to the next, in a run of this length."""
        if self.every is not None:
            return self.every
        return 200 if total_steps is None else min(max(total_steps // 50, 1), 1000)


@dataclass(frozen=True, slots=True)
class Rollback:
    """Where a run in trouble goes back to.

    Attributes:
        step: the step of the snapshot; None if there is none.
        discard: step of a snapshot that did not help and is dropped; None if there is none.
        at_once: whether trouble came right after the last rescue, so the data is assumed to be the cause.
    """

    step: int | None
    discard: int | None
    at_once: bool


@dataclass
class GuardState:
    """The state of a guard: the losses that it remembers.

    Attributes:
        guard: the options.
        total_steps: planned updates of the whole run, if known.
    """

    guard: Guard
    total_steps: int | None = None
    _interval: int = field(init=False)
    _good: deque[float] = field(init=False)
    _first: float | None = field(init=False, default=None)
    _limit: float = field(init=False, default=math.inf)
    _since_refresh: int = field(init=False, default=0)
    _spikes: int = field(init=False, default=0)
    _last_trouble: int = field(init=False, default=_NEVER)
    _last_target: int = field(init=False, default=_NEVER)

    def __post_init__(self) -> None:
        self._good = deque(maxlen=self.guard.window)
        self._interval = self.guard.snapshot_interval(self.total_steps)

    @property
    def is_calm(self) -> bool:
        """Whether the last loss was no spike."""
        return self._spikes == 0

    def trouble(self, loss: float) -> str | None:
        """Add the next loss; the reason for a rescue, if one is necessary."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if loss > self._limit:
            self._spikes += 1
            if self._spikes < self.guard.patience:
                return None
            return (
                f"the loss is {loss:.3g}, above {self._limit:.3g} for {self._spikes} updates in a "
                "row"
            )
        self._spikes = 0
        self._good.append(loss)
        self._since_refresh += 1
        is_due = self._since_refresh >= _LOSSES_PER_LIMIT or self._limit == math.inf
        if len(self._good) >= _MIN_LOSSES and is_due:
            self._refresh_limit()
        return None

    def is_snapshot_due(self, step: int) -> bool:
        """Whether to take a snapshot before a step; never during a spike."""
        return self.is_calm and step % self._interval == 0

    def choose_rollback(self, step: int, snapshots: list[int]) -> Rollback:
        """Where to go back to.

        Args:
            step: the update about to happen when the trouble was noticed.
            snapshots: steps of the snapshots there are, in order.
        """
        before_spike = step - 1 - self.guard.patience
        candidates = [kept_step for kept_step in snapshots if kept_step < before_spike]
        candidates = candidates or snapshots[:1]
        at_once = 0 <= step - self._last_target <= 2 * self.guard.patience + 2
        is_repeated = step <= self._last_trouble + max(self._interval, 10) and not at_once
        discard = candidates.pop() if is_repeated and len(candidates) > 1 else None
        return Rollback(candidates[-1] if candidates else None, discard, at_once)

    def add_rescue(self, step: int, target: int) -> None:
        """Remember a rescue: the step of the trouble and the step the run goes back to."""
        self._last_trouble, self._last_target = step, target

    def forget_spikes(self) -> None:
        """Called after a rollback, which undid the updates of the spikes."""
        self._spikes = 0

    def state_dict(self) -> dict[str, Any]:
        """The losses and counters, as JSON values."""
        return {
            "good": list(self._good),
            "first": self._first,
            "limit": None if self._limit == math.inf else self._limit,
            "since": self._since_refresh,
            "out": self._spikes,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the dictionary of `state_dict`."""
        self._good.clear()
        self._good.extend(state["good"])
        self._first, self._since_refresh = state["first"], state["since"]
        self._spikes = state["out"]
        self._limit = math.inf if state["limit"] is None else state["limit"]

    def _refresh_limit(self) -> None:
        middle = median(self._good)
        self._first = middle if self._first is None else self._first
        deviations = sorted(abs(loss - middle) for loss in self._good)
        upper = deviations[int(0.9 * (len(deviations) - 1))]
        std = max(STD_OF_DEVIATION * median(deviations), upper / normal_quantile(0.05))
        share_of_fall = self.guard.lost_share * abs(self._first - middle)
        excess = max(self.guard.spike * std, share_of_fall, _ROUNDING * abs(middle))
        self._limit = middle + excess
        self._since_refresh = 0
