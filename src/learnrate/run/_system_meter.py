"""SystemMeter: memory, processor and GPU that a training uses."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

__all__ = ["SYSTEM_COLUMNS", "SystemMeter"]

SYSTEM_COLUMNS = ("process_memory", "process_cores", "gpu_memory", "gpu_busy")
"""Resident memory of the process in bytes; processor cores that it kept busy since the last
measurement; memory that tensors take on the current GPU, in bytes; the share of the last second or
less in which that GPU was busy, with whatever process."""

_EVERY = 10.0  # seconds between measurements, which take some 20 microseconds
_STATM = Path("/proc/self/statm")  # Linux


class SystemMeter:
    """Measures this process about every ten seconds, and never waits for a GPU.

    Args:
        every: seconds from one measurement to the next.

    Attributes:
        due: the time of the next measurement, as `time.perf_counter()`.
    """

    def __init__(self, every: float = _EVERY) -> None:
        self._every = every
        self._last = (time.perf_counter(), time.process_time())
        self.due = self._last[0] + every
        self._asks_driver = True

    def take(self, now: float) -> dict[str, float]:
        """The measurements by their columns, if it is time for them; else an empty dictionary.

        Args:
            now: `time.perf_counter()`.
        """
        began, busy_before = self._last
        if now < self.due or now == began:
            return {}
        busy = time.process_time()
        self._last, self.due = (now, busy), now + self._every
        figures = {"process_cores": (busy - busy_before) / (now - began)}
        if _STATM.exists():
            pages = int(_STATM.read_text().split()[1])
            figures["process_memory"] = float(pages * os.sysconf("SC_PAGE_SIZE"))
        if torch.cuda.is_initialized():
            figures["gpu_memory"] = float(torch.cuda.memory_allocated())
            figures |= self._gpu_busy()
        return figures

    def _gpu_busy(self) -> dict[str, float]:
        """The load of the GPU, as its driver reports it; empty from the first failure on.

        The driver answers without waiting for the work on the GPU.
        """
        if not self._asks_driver:
            return {}
        try:
            return {"gpu_busy": torch.cuda.utilization() / 100}
        except Exception:  # noqa: BLE001 - nvidia-ml-py is missing, or raises errors of its own
            self._asks_driver = False
            return {}
