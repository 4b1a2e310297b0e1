"""Which of several processes of one job this is, without loading torch."""

from __future__ import annotations

import os
import sys

__all__ = ["is_first_rank", "rank_and_size"]

_LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def rank_and_size() -> tuple[int, int]:
    """This process's rank and their number: of torch's process group, else as torchrun says.

    `(0, 1)` where neither is there.
    """
    group = sys.modules.get("torch.distributed")
    if group is not None and group.is_available() and group.is_initialized():
        return group.get_rank(), group.get_world_size()
    if all(name in os.environ for name in _LAUNCHED):
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return 0, 1


def is_first_rank() -> bool:
    """Whether this process writes and prints for all."""
    return rank_and_size()[0] == 0
