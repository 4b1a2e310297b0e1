"""The rank of this process and the number of ranks, without importing torch."""

from __future__ import annotations

import os
import sys

__all__ = ["is_first_rank", "rank_and_size"]

_LAUNCHER_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def rank_and_size() -> tuple[int, int]:
    """This process's rank and the number of ranks.

    They are those of torch's process group, or of torchrun's environment variables; `(0, 1)`
    without either.
    """
    group = sys.modules.get("torch.distributed")
    if group is not None and group.is_available() and group.is_initialized():
        return group.get_rank(), group.get_world_size()
    if all(name in os.environ for name in _LAUNCHER_VARIABLES):
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return 0, 1


def is_first_rank() -> bool:
    """Whether this process is the rank that writes and prints."""
    return rank_and_size()[0] == 0
