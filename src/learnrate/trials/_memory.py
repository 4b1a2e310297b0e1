"""How many trials fit into memory at once: measured on a few updates of narrow stacks."""

from __future__ import annotations

import gc
import importlib
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate.trials._stack import Stack
from learnrate.trials._training import preserved

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.task import Task
    from learnrate.trials._trial import Trial

__all__ = ["Room", "available_memory", "is_out_of_memory", "measured_room"]

_resource: Any = None if sys.platform == "win32" else importlib.import_module("resource")

_UPDATES = 2  # the first makes the optimizer's state
_WIDEST = 8
_SHARE = 0.8  # of what is free, that stacks may take
_SAID = ("can't allocate memory", "not enough memory", "out of memory")
_PROCESS = Path("/proc/self")
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


@dataclass(frozen=True)
class Room:
    """What a trial in a stack takes and what is free, in bytes; None where it cannot be told."""

    needed: float
    free: float | None

    def widest(self, wanted: int, processes: int = 1) -> int:
        """The widest stack, of at most `wanted` trials, for each of as many processes; 1 at least.

        Examples:
            >>> Room(needed=100.0, free=1000.0).widest(16)
            8
            >>> Room(needed=100.0, free=1000.0).widest(16, processes=2)
            4
        """
        if self.free is None or self.needed <= 0:
            return wanted
        return int(min(wanted, max(1, _SHARE * self.free / processes // self.needed)))

    def said(self, trials: int) -> str:
        """The figures behind a stack that is narrower than asked for."""
        needed, free = self.needed * trials / 2**30, (self.free or 0.0) / 2**30
        return f"{trials} trials at once need about {needed:.2g} GiB, and {free:.2g} GiB are free"


def measured_room(task: Task, trial: Trial, wanted: int) -> Room:
    """Make a few updates of stacks of 1, 2, 4 and 8 trials, as long as the next will surely fit.

    Changes nothing of the user's.

    Args:
        task: what is trained.
        trial: one of the trials.
        wanted: how many are to run at once.
    """
    with preserved(task):
        meter = _Cuda() if _is_on_cuda(task, trial) else _Host()
        free = meter.free()
        before, narrower, width = meter.held(), 0, 1
        while True:
            peak = meter.peak(partial(_run, task, trial, width))
            # From one width to the next: what an allocator keeps for itself does not count.
            needed = max(0.0, (peak - before) / (width - narrower))
            before, narrower, width = peak, width, 2 * width
            fits = free is None or width * needed < _SHARE * free / 2
            if width > min(wanted, _WIDEST) or not fits:
                return Room(needed, free)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on whatever device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID)


def available_memory() -> float | None:
    """Bytes this process may still take: of the machine, its control group and its own limits."""
    found = [_meminfo(), *(_cgroup(*paths) for paths in _CGROUPS), _address_space()]
    return min((one for one in found if one is not None), default=None)


def _run(task: Task, trial: Trial, width: int) -> None:
    stack = Stack(task, trial.seed, width)
    lowest = np.full(width, float(np.min(trial.schedule.table())))
    for _ in range(_UPDATES):
        stack.update(lowest)


def _is_on_cuda(task: Task, trial: Trial) -> bool:
    return Stack(task, trial.seed, 1).device.type == "cuda"


class _Host:
    """Main memory, by the most that the process has ever held."""

    def free(self) -> float | None:
        return available_memory()

    def held(self) -> float:
        gc.collect()
        return _status("VmRSS") or _peak()

    def peak(self, function: Callable[[], None]) -> float:
        _forget_peak()
        function()
        return _peak()


class _Cuda:
    """A device's memory, by torch's own count."""

    def free(self) -> float | None:
        free, _ = torch.cuda.mem_get_info()
        return float(free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())

    def held(self) -> float:
        return float(torch.cuda.memory_allocated())

    def peak(self, function: Callable[[], None]) -> float:
        torch.cuda.reset_peak_memory_stats()
        function()
        return float(torch.cuda.max_memory_allocated())


def _forget_peak() -> None:
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:  # no such file, or not allowed: the peak then only rises
        return


def _peak() -> float:
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    if _resource is None:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return float(_resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss * unit)


def _status(name: str) -> float | None:
    """A line of the process's status, in bytes."""
    try:
        lines = (_PROCESS / "status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return 1024.0 * int(found[0]) if found else None


def _meminfo() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024.0 * int(found[0]) if found else None


def _cgroup(limit: str, usage: str) -> float | None:
    try:
        most, held = Path(limit).read_text().strip(), Path(usage).read_text().strip()
    except OSError:
        return None
    return float(most) - float(held) if most.isdecimal() and held.isdecimal() else None


def _address_space() -> float | None:
    held = _status("VmSize")
    if _resource is None or held is None:
        return None
    limit, _ = _resource.getrlimit(_resource.RLIMIT_AS)
    return float(limit) - held if limit != _resource.RLIM_INFINITY else None
