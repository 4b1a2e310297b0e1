"""SystemMeter: memory and processor that a training uses."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

__all__ = ["SYSTEM_COLUMNS", "SystemMeter"]

SYSTEM_COLUMNS = ("process_memory", "process_cores", "gpu_memory")
"""Resident memory of the process in bytes; processor cores that it kept busy since the last
measurement; memory that tensors take on the current GPU, in bytes."""

_EVERY = 10.0  # seconds between measurements, which take some 20 microseconds
_STATM = Path("/proc/self/statm")  # Linux


class SystemMeter:
    """Measures this process about every ten seconds, and never waits for a GPU.

    Args:
        every: seconds from one measurement to the next.
    """

    def __init__(self, every: float = _EVERY) -> None:
        self._every = every
        self._last = (time.perf_counter(), time.process_time())

    def take(self, now: float) -> dict[str, float]:
        """The measurements by their columns, if it is time for them; else an empty dictionary.

        Args:
            now: `time.perf_counter()`.
        """
        began, busy_before = self._last
        if now - began < self._every or now == began:
            return {}
        busy = time.process_time()
        self._last = (now, busy)
        figures = {"process_cores": (busy - busy_before) / (now - began)}
        if _STATM.exists():
            pages = int(_STATM.read_text().split()[1])
            figures["process_memory"] = float(pages * os.sysconf("SC_PAGE_SIZE"))
        if torch.cuda.is_initialized():
            figures["gpu_memory"] = float(torch.cuda.memory_allocated())
        return figures
