"""Tasks: what is trained, and loading one from "file.py:name"."""

from learnrate.task._copied import copied_model, lazy_copy, shares_memory
from learnrate.task._loading import as_task_error, load_object, load_task
from learnrate.task._rates import RateGroups, RatesArgument
from learnrate.task._task import (
    Batch,
    LossFunction,
    Task,
    check_is_task,
    needs_closure,
    only_optimizer,
    pair_in,
)

__all__ = [
    "Batch",
    "LossFunction",
    "RateGroups",
    "RatesArgument",
    "Task",
    "as_task_error",
    "check_is_task",
    "copied_model",
    "lazy_copy",
    "load_object",
    "load_task",
    "needs_closure",
    "only_optimizer",
    "pair_in",
    "shares_memory",
]
