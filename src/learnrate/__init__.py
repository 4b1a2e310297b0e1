"""Find, schedule, watch, steer and explain the learning rate of a training.

Names are loaded when they are first used, so `import learnrate` takes almost no time and loads neither
torch nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from learnrate._errors import needing

if TYPE_CHECKING:
    from learnrate._errors import ArgumentError as ArgumentError
    from learnrate._errors import FileError as FileError
    from learnrate._errors import LearnrateError as LearnrateError
    from learnrate._errors import LostRankError as LostRankError
    from learnrate._errors import MissingExtraError as MissingExtraError
    from learnrate._errors import ScheduleError as ScheduleError
    from learnrate._errors import StoreError as StoreError
    from learnrate._errors import TaskError as TaskError
    from learnrate._usual_rate import UsualRate as UsualRate
    from learnrate._usual_rate import usual_rate as usual_rate
    from learnrate._version import __version__ as __version__
    from learnrate.comparing import Comparison as Comparison
    from learnrate.comparing import compare as compare
    from learnrate.edits import Limits as Limits
    from learnrate.integrations.keras import to_keras as to_keras
    from learnrate.integrations.lightning import to_lightning as to_lightning
    from learnrate.integrations.optax import to_optax as to_optax
    from learnrate.integrations.transformers import to_transformers as to_transformers
    from learnrate.planning import Plan as Plan
    from learnrate.planning import plan as plan
    from learnrate.planning import replan as replan
    from learnrate.probing import Probes as Probes
    from learnrate.range_test import RangeTest as RangeTest
    from learnrate.range_test import find as find
    from learnrate.run import Guard as Guard
    from learnrate.run import Measure as Measure
    from learnrate.run import Run as Run
    from learnrate.run import attach as attach
    from learnrate.schedules import Schedule as Schedule
    from learnrate.schedules import schedule as schedule
    from learnrate.store import Store as Store
    from learnrate.sweeping import Sweep as Sweep
    from learnrate.sweeping import sweep as sweep
    from learnrate.task import Task as Task
    from learnrate.task import load_task as load_task
    from learnrate.torch_scheduler import from_torch as from_torch
    from learnrate.torch_scheduler import to_torch as to_torch
    from learnrate.training import Trained as Trained
    from learnrate.training import train as train
    from learnrate.trials import RayEngine as RayEngine
    from learnrate.watch import Finding as Finding
    from learnrate.watch import Observations as Observations
    from learnrate.watch import Watcher as Watcher
    from learnrate.watch import diagnose as diagnose

_HOMES = {
    "ArgumentError": "_errors",
    "Comparison": "comparing",
    "FileError": "_errors",
    "Finding": "watch",
    "Guard": "run",
    "LearnrateError": "_errors",
    "Limits": "edits",
    "LostRankError": "_errors",
    "Measure": "run",
    "MissingExtraError": "_errors",
    "Observations": "watch",
    "Plan": "planning",
    "Probes": "probing",
    "RangeTest": "range_test",
    "RayEngine": "trials",
    "Run": "run",
    "Schedule": "schedules",
    "ScheduleError": "_errors",
    "Store": "store",
    "StoreError": "_errors",
    "Sweep": "sweeping",
    "Task": "task",
    "TaskError": "_errors",
    "Trained": "training",
    "UsualRate": "_usual_rate",
    "Watcher": "watch",
    "__version__": "_version",
    "attach": "run",
    "compare": "comparing",
    "diagnose": "watch",
    "find": "range_test",
    "from_torch": "torch_scheduler",
    "load_task": "task",
    "plan": "planning",
    "replan": "planning",
    "schedule": "schedules",
    "sweep": "sweeping",
    "to_keras": "integrations.keras",
    "to_lightning": "integrations.lightning",
    "to_optax": "integrations.optax",
    "to_torch": "torch_scheduler",
    "to_transformers": "integrations.transformers",
    "train": "training",
    "usual_rate": "_usual_rate",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list of strings, built from the one table of names


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'learnrate' has no attribute {name!r}")
    with needing("torch", "torch", f"learnrate.{name}"):
        value = getattr(import_module(f"learnrate.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
