"""Guard: an automatic person, who rolls back and lowers the rate when a run leaves for good."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from learnrate.steer._record import finite, refuse, share, whole

__all__ = ["Guard", "Watchman"]

_FEWEST = 10  # good losses before a spike can be told
_RENEWED = 10  # good losses from one look at what is usual to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """How a run is guarded: `attach(..., guard=True)` or `guard=Guard(times=5)`.

    Every `every` updates the state is kept, the last `keep` of them. When the loss is not finite,
    or lies far above the usual for `patience` updates in a row, the run goes back to a state from
    before that, with the rate times `factor`. The data goes on, so the batches in between are not
    seen again. After `times` such rescues the run stops, with advice.

    Far above the usual: by more than `spike` robust standard deviations of the last `window` good
    losses over their median, and by more than a half of its size.

    Args:
        every: updates from one kept state to the next; None for a fiftieth of the run, 1 to 1000.
        keep: how many states are held.
        folder: where to write them; None keeps them in memory.
        factor: what the rate is multiplied with at each rescue, between 0 and 1.
        times: rescues before the run is given up.
        patience: updates in a row that make a spike a persistent one.
        spike: how far out a loss is, in robust standard deviations.
        window: good losses that say what is usual.

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

    def __post_init__(self) -> None:
        for name, low in (("keep", 1), ("times", 0), ("patience", 1), ("window", _FEWEST)):
            whole("Guard", name, getattr(self, name), low)
        if self.every is not None:
            whole("Guard", "every", self.every, 1)
        share("Guard", "factor", self.factor)
        finite("Guard", "spike", self.spike, 1.0)
        if self.folder is not None and not isinstance(self.folder, str | Path):
            refuse("Guard", "folder", "a folder, or None", self.folder)

    def cadence(self, total: int | None) -> int:
        """Updates from one kept state to the next."""
        if self.every is not None:
            return self.every
        return 200 if total is None else min(max(total // 50, 1), 1000)


@dataclass
class Watchman:
    """Looks at one loss after the other, for a guard."""

    guard: Guard
    _good: deque[float] = field(init=False)
    _limit: float = field(init=False, default=math.inf)
    _since: int = field(init=False, default=0)
    _out: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._good = deque(maxlen=self.guard.window)

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

    def rolled_back(self) -> None:
        """The losses that were out are no more."""
        self._out = 0

    def _renew(self) -> None:
        middle = median(self._good)
        spread = 1.4826 * median(abs(loss - middle) for loss in self._good)
        self._limit = middle + max(self.guard.spike * spread, 0.5 * abs(middle), 1e-12)
        self._since = 0
