"""The workloads of the benchmark, a file for each kind of data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    classic,
    control,
    equations,
    generative,
    pictures,
    relations,
    sequences,
    tables,
    tuning,
)

if TYPE_CHECKING:
    from regret.workload import Workload

__all__ = ["WORKLOADS"]

_MODULES = (
    classic,
    tables,
    pictures,
    generative,
    sequences,
    relations,
    equations,
    control,
    tuning,
)

WORKLOADS: dict[str, Workload] = {
    name: workload for module in _MODULES for name, workload in module.WORKLOADS.items()
}
