"""How many trials fit into memory at once, measured on a few updates of narrow stacks."""

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

__all__ = ["StackMemory", "available_memory", "is_out_of_memory", "measure_stack_memory"]

_resource: Any = None if sys.platform == "win32" else importlib.import_module("resource")

_UPDATES = 2  # the first makes the optimizer's state
_WIDEST = 8
_SHARE = 0.8  # of the free memory, that stacks may take
_MESSAGES = ("can't allocate memory", "not enough memory", "out of memory")
_PROCESS = Path("/proc/self")
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


@dataclass(frozen=True)
class StackMemory:
    """The memory that a trial in a stack needs, and how much is free.

    Attributes:
        needed: bytes for each trial.
        free: bytes; None if unknown.
    """

    needed: float
    free: float | None

    def widest(self, wanted: int, processes: int = 1) -> int:
        """How many trials fit into a stack, at least 1.

        Args:
            wanted: the most trials.
            processes: how many have such a stack at the same time.

        Examples:
            >>> StackMemory(needed=100.0, free=1000.0).widest(16)
            8
            >>> StackMemory(needed=100.0, free=1000.0).widest(16, processes=2)
            4
        """
        if self.free is None or self.needed <= 0:
            return wanted
        return int(min(wanted, max(1, _SHARE * self.free / processes // self.needed)))

    def shortage(self, trials: int) -> str:
        """Why a stack of all the trials does not fit, with the figures."""
        needed, free = self.needed * trials / 2**30, (self.free or 0.0) / 2**30
        return f"{trials} trials at once need about {needed:.2g} GiB, and {free:.2g} GiB are free"


def measure_stack_memory(task: Task, trial: Trial, wanted: int) -> StackMemory:
    """Make a few updates of stacks of 1, 2, 4 and 8 trials, as long as the next is sure to fit.

    Nothing of the user's is changed.

    Args:
        task: what is trained.
        trial: one of the trials.
        wanted: how many trials are to run at once.
    """
    with preserved(task):
        meter = _Cuda() if _is_on_cuda(task, trial) else _Host()
        free = meter.free()
        before, narrower, width = meter.used(), 0, 1
        while True:
            peak = meter.peak(partial(_run, task, trial, width))
            # The difference of two widths leaves out what an allocator keeps for itself.
            needed = max(0.0, (peak - before) / (width - narrower))
            before, narrower, width = peak, width, 2 * width
            fits = free is None or width * needed < _SHARE * free / 2
            if width > min(wanted, _WIDEST) or not fits:
                return StackMemory(needed, free)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on the host or on a device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _MESSAGES)


def available_memory() -> float | None:
    """How many bytes this process may still allocate; None if unknown.

    The least of what the machine, its control group and its own limits allow.
    """
    limits = [_meminfo(), *(_cgroup(*paths) for paths in _CGROUPS), _address_space()]
    return min((limit for limit in limits if limit is not None), default=None)


def _run(task: Task, trial: Trial, width: int) -> None:
    stack = Stack(task, trial.seed, width)
    lowest = np.full(width, float(np.min(trial.schedule.table())))
    for _ in range(_UPDATES):
        stack.update(lowest)


def _is_on_cuda(task: Task, trial: Trial) -> bool:
    return Stack(task, trial.seed, 1).device.type == "cuda"


class _Host:
    """Main memory, measured by the peak of the process's resident memory."""

    def free(self) -> float | None:
        return available_memory()

    def used(self) -> float:
        gc.collect()
        return _status("VmRSS") or _peak()

    def peak(self, function: Callable[[], None]) -> float:
        _forget_peak()
        function()
        return _peak()


class _Cuda:
    """A device's memory, as torch counts it."""

    def free(self) -> float | None:
        free, _ = torch.cuda.mem_get_info()
        return float(free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())

    def used(self) -> float:
        return float(torch.cuda.memory_allocated())

    def peak(self, function: Callable[[], None]) -> float:
        torch.cuda.reset_peak_memory_stats()
        function()
        return float(torch.cuda.max_memory_allocated())


def _forget_peak() -> None:
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:  # no such file, or not allowed: then the peak only rises
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
    """A field of /proc/self/status, in bytes."""
    return _kibibytes(_PROCESS / "status", name)


def _meminfo() -> float | None:
    return _kibibytes(Path("/proc/meminfo"), "MemAvailable")


def _kibibytes(file: Path, name: str) -> float | None:
    """The line `name: ... kB` of a file, in bytes."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    numbers = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return 1024.0 * int(numbers[0]) if numbers else None


def _cgroup(limit: str, usage: str) -> float | None:
    try:
        most, used = Path(limit).read_text().strip(), Path(usage).read_text().strip()
    except OSError:
        return None
    return float(most) - float(used) if most.isdecimal() and used.isdecimal() else None


def _address_space() -> float | None:
    used = _status("VmSize")
    if _resource is None or used is None:
        return None
    limit, _ = _resource.getrlimit(_resource.RLIMIT_AS)
    return float(limit) - used if limit != _resource.RLIM_INFINITY else None
