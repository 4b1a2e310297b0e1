"""Convert between schedules and schedulers of torch: `to_torch` and `from_torch`."""

from learnrate._errors import needing

with needing("torch", "torch", "learnrate.torch_scheduler"):
    import torch  # noqa: F401 - this one import names the extra

from learnrate.torch_scheduler._from_torch import adopted, from_torch
from learnrate.torch_scheduler._hyperparameter import (
    Group,
    Hyperparameter,
    check_groups,
    hyperparameters,
)
from learnrate.torch_scheduler._other_values import OtherValues, SetByScheduler
from learnrate.torch_scheduler._simulation import position
from learnrate.torch_scheduler._timed import Stopwatch, TimedSchedule
from learnrate.torch_scheduler._to_torch import TorchSchedule, to_torch
from learnrate.torch_scheduler._wrapped import unwrapped_scheduler

__all__ = [
    "Group",
    "Hyperparameter",
    "OtherValues",
    "SetByScheduler",
    "Stopwatch",
    "TimedSchedule",
    "TorchSchedule",
    "adopted",
    "check_groups",
    "from_torch",
    "hyperparameters",
    "position",
    "to_torch",
    "unwrapped_scheduler",
]
