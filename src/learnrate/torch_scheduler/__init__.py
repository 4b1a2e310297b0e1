"""Schedules as torch `LRScheduler`s, and torch schedulers as schedules."""

from learnrate.torch_scheduler._adopt import position
from learnrate.torch_scheduler._dials import Dial, Group
from learnrate.torch_scheduler._scheduler import TorchSchedule, from_torch, to_torch

__all__ = ["Dial", "Group", "TorchSchedule", "from_torch", "position", "to_torch"]
