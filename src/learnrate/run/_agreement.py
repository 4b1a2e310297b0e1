"""Agreement: the ranks of one job apply an edit at the same step, without a collective.

    first rank   announces the edit              chooses the step: the largest ceiling
    every rank   answers with its ceiling,       reads the step, and applies the edit there
                 a few steps ahead

Threads communicate over the job's key-value store. The training goes on until it reaches its
ceiling, and waits there for the step. No rank has passed the step, since it is the largest of all
ceilings, and no rank waits for the training of another rank.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from torch import distributed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Agreement", "agreement"]

_AHEAD = 3  # steps from the present step of a rank to its ceiling
_LISTEN = 0.2  # seconds between checks for an announcement
_POLL = 0.002  # seconds between checks while ranks agree on an edit

_count = 0


def agreement(rank: int, size: int) -> Agreement | None:
    """The agreement of the ranks of this job; None for one rank, or without a process group.

    All ranks must make the same number of agreements, in the same order.

    Args:
        rank: the rank of this process.
        size: the number of ranks.
    """
    if size < 2 or not (distributed.is_available() and distributed.is_initialized()):
        return None
    global _count  # noqa: PLW0603 - numbers the runs alike on all ranks
    _count += 1
    keys = distributed.distributed_c10d._get_default_store()  # noqa: SLF001 - torch has no public access
    shared = distributed.PrefixStore(f"learnrate/{_count}", keys)  # type: ignore[attr-defined]  # public, not re-exported
    return Agreement(shared, rank, size)


class Agreement:
    """This rank's part of the agreement.

    Args:
        keys: a key-value store that all ranks share.
        rank: the rank of this process.
        size: the number of ranks.
    """

    def __init__(self, keys: Any, rank: int, size: int) -> None:
        self._keys, self._rank, self._size = keys, rank, size
        self._offers: deque[dict[str, Any]] = deque()
        self._wake, self._known = threading.Event(), threading.Event()
        self._pending: int | None = None  # the number of the edit that ranks are agreeing on
        self._ceiling: int | None = None
        self._agreed: tuple[int, dict[str, Any]] | None = None
        self._step, self._closed = 0, False
        work = self._lead if rank == 0 else self._follow
        self._thread = threading.Thread(target=self._loop, args=(work,), daemon=True)
        self._thread.start()

    def offer(self, document: dict[str, Any]) -> None:
        """On the first rank: make all ranks apply an edit. Edits are applied in this order."""
        self._offers.append(document)
        self._wake.set()

    def due(self, step: int) -> dict[str, Any] | None:
        """The edit to apply before a step, if one is due; waits at the ceiling."""
        self._step = step
        if self._pending is None:
            return None
        while self._ceiling is None and self._pending is not None and not self._closed:
            time.sleep(_POLL)
        ceiling = self._ceiling
        if ceiling is not None and step >= ceiling:
            self._known.wait()
        if self._agreed is None or step < self._agreed[0]:
            return None
        document = self._agreed[1]
        self._agreed = self._ceiling = self._pending = None
        self._wake.set()
        return document

    def close(self) -> None:
        """Tell the other ranks that this rank makes no more steps."""
        self._closed = True
        self._known.set()
        self._wake.set()

    # In the thread

    def _loop(self, work: Callable[[int], bool]) -> None:
        number = 0
        with suppress(RuntimeError):  # the job is ending, and its store is closed
            while not self._closed:
                if work(number):
                    number += 1
        self._known.set()

    def _lead(self, number: int) -> bool:
        if not self._offers or self._pending is not None:
            self._wake.wait(_LISTEN)
            self._wake.clear()
            return False
        document = self._offers.popleft()
        self._known.clear()
        ceiling = self._begin(number)
        self._keys.set(f"edit/{number}", json.dumps(document))
        others = [int(self._wait_for(f"seen/{number}/{rank}")) for rank in range(1, self._size)]
        step = max(ceiling, *others)
        self._keys.set(f"go/{number}", str(step))
        self._settle(step, document)
        return True

    def _follow(self, number: int) -> bool:
        if self._pending is not None or not self._keys.check([f"edit/{number}"]):
            self._wake.wait(_POLL if self._pending is not None else _LISTEN)
            self._wake.clear()
            return False
        document = json.loads(self._keys.get(f"edit/{number}"))
        self._known.clear()
        self._keys.set(f"seen/{number}/{self._rank}", str(self._begin(number)))
        self._settle(int(self._wait_for(f"go/{number}")), document)
        return True

    def _begin(self, number: int) -> int:
        """Choose the ceiling. The training checks `_pending`, so it must be set before `_step` is read."""
        self._pending = number
        self._ceiling = ceiling = self._step + _AHEAD
        return ceiling

    def _settle(self, step: int, document: dict[str, Any]) -> None:
        self._agreed = (step, document)
        self._known.set()

    def _wait_for(self, key: str) -> str:
        while not self._keys.check([key]):
            if self._closed:
                raise RuntimeError("closed")
            time.sleep(_POLL)
        return str(self._keys.get(key).decode())
