"""Guard: an automatic person, who rolls back and lowers the rate when a run leaves for good."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from learnrate._checks import check_finite, check_share, check_whole, refuse

__all__ = ["Guard", "Watchman", "WayBack"]

_FEWEST = 10  # good losses before a spike can be told
_LEAST = 1e-12  # above a loss that never changes
_RENEWED = 10  # good losses from one look at what is usual to the next
_NEVER = -(2**53)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """How a run is guarded: `attach(..., guard=True)` or `guard=Guard(times=5)`.

    Every `every` updates the state is kept, the last `keep` of them. When the loss is not finite,
    or lies far above the usual for `patience` updates in a row, the run goes back to a state from
    before that, with the rate times `factor`. The data goes on, so the batches in between are not
    seen again; where trouble follows at once, it is the data's, and the rate is left. After `times`
    such rescues the run stops, with advice.

    Far above the usual: over the median of the last `window` good losses by more than `spike` of
    their robust standard deviations, by more than a half of that median's size, and by more than
    `lost` of all that the run has gained, so that one that has learned its data by heart is let be.

    Args:
        every: updates from one kept state to the next; None for a fiftieth of the run, 1 to 1000.
        keep: how many states are held.
        folder: where to write them; None keeps them in memory.
        factor: what the rate is multiplied with at each rescue, between 0 and 1.
        times: rescues before the run is given up.
        patience: updates in a row that make a spike a persistent one.
        spike: how far out a loss is, in robust standard deviations.
        window: good losses that say what is usual.
        lost: how much of the fall from the first losses must be lost again, a share above 0.

    Raises:
        ArgumentError: a value outside its rule.
    """

    every: int | None = None
    keep: int = 3
    folder: str | Path | None = None
    factor: float = 0.5
    times: int = 3
    patience: int = 3
    spike: float = 8.0
    window: int = 100
    lost: float = 0.05

    def __post_init__(self) -> None:
        for name, low in (("keep", 1), ("times", 0), ("patience", 1), ("window", _FEWEST)):
            check_whole("Guard", name, getattr(self, name), low)
        if self.every is not None:
            check_whole("Guard", "every", self.every, 1)
        check_share("Guard", "factor", self.factor)
        check_share("Guard", "lost", self.lost)
        check_finite("Guard", "spike", self.spike, 1.0)
        if self.folder is not None and not isinstance(self.folder, str | Path):
            refuse("Guard", "folder", "a folder, or None", self.folder)

    def cadence(self, total_steps: int | None) -> int:
        """Updates from one kept state to the next."""
        if self.every is not None:
            return self.every
        return 200 if total_steps is None else min(max(total_steps // 50, 1), 1000)


@dataclass(frozen=True, slots=True)
class WayBack:
    """Where a run in trouble can go back to.

    Attributes:
        target: the step of the kept state; None without any.
        useless: a state that has been tried and did not help, if any.
        at_once: whether trouble followed right after the last rescue: then it is the data's.
    """

    target: int | None
    useless: int | None
    at_once: bool


@dataclass
class Watchman:
    """Looks at one loss after the other, for a guard, and knows the way back.

    Attributes:
        guard: says how.
        total_steps: updates of the whole run as planned, if known.
    """

    guard: Guard
    total_steps: int | None = None
    _cadence: int = field(init=False)
    _good: deque[float] = field(init=False)
    _first: float | None = field(init=False, default=None)
    _limit: float = field(init=False, default=math.inf)
    _since: int = field(init=False, default=0)
    _out: int = field(init=False, default=0)
    _trouble_at: int = field(init=False, default=_NEVER)
    _back_at: int = field(init=False, default=_NEVER)

    def __post_init__(self) -> None:
        self._good = deque(maxlen=self.guard.window)
        self._cadence = self.guard.cadence(self.total_steps)

    @property
    def calm(self) -> bool:
        """Whether the last loss was a usual one."""
        return self._out == 0

    def trouble(self, loss: float) -> str | None:
        """Take the next loss; what is the matter once it is past waiting, in words."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if loss > self._limit:
            self._out += 1
            if self._out < self.guard.patience:
                return None
            return (
                f"the loss is {loss:.3g}, above {self._limit:.3g} for {self._out} updates in a row"
            )
        self._out = 0
        self._good.append(loss)
        self._since += 1
        if len(self._good) >= _FEWEST and (self._since >= _RENEWED or self._limit == math.inf):
            self._renew()
        return None

    def due(self, step: int) -> bool:
        """Whether the state before a step is to be kept: not amid losses that are far out."""
        return self.calm and step % self._cadence == 0

    def way_back(self, step: int, kept: list[int]) -> WayBack:
        """Where to go from trouble before a step, with states of these steps kept, in order."""
        found = [each for each in kept if each < step - 1 - self.guard.patience] or kept[:1]
        at_once = 0 <= step - self._back_at <= 2 * self.guard.patience + 2
        again = step <= self._trouble_at + max(self._cadence, 10) and not at_once
        useless = found.pop() if again and len(found) > 1 else None
        return WayBack(found[-1] if found else None, useless, at_once)

    def rescued(self, step: int, target: int) -> None:
        """Trouble before a step is answered by going back to another."""
        self._trouble_at, self._back_at = step, target

    def rolled_back(self) -> None:
        """The losses that were out are no more."""
        self._out = 0

    def state_dict(self) -> dict[str, Any]:
        """What it has seen, as JSON values."""
        return {
            "good": list(self._good),
            "first": self._first,
            "limit": None if self._limit == math.inf else self._limit,
            "since": self._since,
            "out": self._out,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a state was saved."""
        self._good.clear()
        self._good.extend(state["good"])
        self._first, self._since, self._out = state["first"], state["since"], state["out"]
        self._limit = math.inf if state["limit"] is None else state["limit"]

    def _renew(self) -> None:
        middle = median(self._good)
        self._first = middle if self._first is None else self._first
        spread = 1.4826 * median(abs(loss - middle) for loss in self._good)
        gained = self.guard.lost * abs(self._first - middle)
        self._limit = middle + max(self.guard.spike * spread, 0.5 * abs(middle), gained, _LEAST)
        self._since = 0
