"""Schedules as torch `LRScheduler`s, and torch schedulers as schedules."""

from learnrate._errors import needing

with needing("torch", "torch", "learnrate.torch_scheduler"):
    import torch  # noqa: F401 - the extra is asked for here, once

from learnrate.torch_scheduler._adopt import position
from learnrate.torch_scheduler._dials import Dial, Group
from learnrate.torch_scheduler._scheduler import TorchSchedule, from_torch, to_torch

__all__ = ["Dial", "Group", "TorchSchedule", "from_torch", "position", "to_torch"]
