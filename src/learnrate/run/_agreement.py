"""Agreement: the ranks of one job apply an edit at the same step, without a collective.

    first rank   announces the edit              chooses the step: the largest ceiling
    every rank   answers with its ceiling,       learns the step, and applies the edit there
                 a few steps ahead

Threads talk over the job's own key-value store. The training goes on until it reaches its ceiling,
and waits there for the step, which depends on the threads alone: no rank has passed a step that is
the largest of all ceilings, and none waits for another one's training.
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

_AHEAD = 3  # steps from where a rank is to its ceiling
_LISTEN = 0.2  # seconds between looks for an announcement
_POLL = 0.002  # while one is being agreed on

_count = 0


def agreement(rank: int, size: int) -> Agreement | None:
    """An agreement of this job's ranks; None where there is one alone, or no process group.

    Every rank must ask for as many, in the same order.
    """
    if size < 2 or not (distributed.is_available() and distributed.is_initialized()):
        return None
    global _count  # noqa: PLW0603 - names that all ranks share, one for each run
    _count += 1
    keys = distributed.distributed_c10d._get_default_store()  # noqa: SLF001 - torch has no other
    shared = distributed.PrefixStore(f"learnrate/{_count}", keys)  # type: ignore[attr-defined]  # public, not re-exported
    return Agreement(shared, rank, size)


class Agreement:
    """This rank's part in it.

    Args:
        keys: a store that all ranks share.
        rank: which one this is.
        size: how many there are.
    """

    def __init__(self, keys: Any, rank: int, size: int) -> None:
        self._keys, self._rank, self._size = keys, rank, size
        self._offers: deque[dict[str, Any]] = deque()
        self._wake, self._known = threading.Event(), threading.Event()
        self._flying: int | None = None  # which edit is being agreed on
        self._ceiling: int | None = None
        self._agreed: tuple[int, dict[str, Any]] | None = None
        self._step, self._closed = 0, False
        work = self._lead if rank == 0 else self._follow
        self._thread = threading.Thread(target=self._working, args=(work,), daemon=True)
        self._thread.start()

    def offer(self, document: dict[str, Any]) -> None:
        """On the first rank: let all apply an edit; in order, one after the other."""
        self._offers.append(document)
        self._wake.set()

    def due(self, step: int) -> dict[str, Any] | None:
        """The edit to apply now that a step is about to happen; waits at the ceiling."""
        self._step = step
        if self._flying is None:
            return None
        while self._ceiling is None and self._flying is not None and not self._closed:
            time.sleep(_POLL)
        ceiling = self._ceiling
        if ceiling is not None and step >= ceiling:
            self._known.wait()
        if self._agreed is None or step < self._agreed[0]:
            return None
        document = self._agreed[1]
        self._agreed = self._ceiling = self._flying = None
        self._wake.set()
        return document

    def close(self) -> None:
        """This rank makes no more steps."""
        self._closed = True
        self._known.set()
        self._wake.set()

    # In the thread

    def _working(self, work: Callable[[int], bool]) -> None:
        number = 0
        with suppress(RuntimeError):  # the job is ending: its store is gone
            while not self._closed:
                if work(number):
                    number += 1
        self._known.set()

    def _lead(self, number: int) -> bool:
        if not self._offers or self._flying is not None:
            self._wake.wait(_LISTEN)
            self._wake.clear()
            return False
        document = self._offers.popleft()
        self._known.clear()
        ceiling = self._fly(number)
        self._keys.set(f"edit/{number}", json.dumps(document))
        others = [int(self._awaited(f"seen/{number}/{rank}")) for rank in range(1, self._size)]
        step = max(ceiling, *others)
        self._keys.set(f"go/{number}", str(step))
        self._land(step, document)
        return True

    def _follow(self, number: int) -> bool:
        if self._flying is not None or not self._keys.check([f"edit/{number}"]):
            self._wake.wait(_POLL if self._flying is not None else _LISTEN)
            self._wake.clear()
            return False
        document = json.loads(self._keys.get(f"edit/{number}"))
        self._known.clear()
        self._keys.set(f"seen/{number}/{self._rank}", str(self._fly(number)))
        self._land(int(self._awaited(f"go/{number}")), document)
        return True

    def _fly(self, number: int) -> int:
        """From here on the training looks; so its step, read afterwards, is not passed unseen."""
        self._flying = number
        self._ceiling = ceiling = self._step + _AHEAD
        return ceiling

    def _land(self, step: int, document: dict[str, Any]) -> None:
        self._agreed = (step, document)
        self._known.set()

    def _awaited(self, key: str) -> str:
        while not self._keys.check([key]):
            if self._closed:
                raise RuntimeError("closed")
            time.sleep(_POLL)
        return str(self._keys.get(key).decode())
