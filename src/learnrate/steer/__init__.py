"""Steer: what changes a run: `attach`, edits of people and of the guard, closed-loop controllers.

`attach`, `Run` and `measured_step` load torch, when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from learnrate._errors import needing
from learnrate.steer._controlled import Controlled
from learnrate.steer._controller import (
    Bounded,
    Change,
    Controller,
    Decision,
    Observation,
    State,
    replay,
)
from learnrate.steer._edited import Edited, edited
from learnrate.steer._edits import Edit, Kind, edit_in
from learnrate.steer._guard import Guard
from learnrate.steer._limits import Limits
from learnrate.steer._loss_slope import LossSlope
from learnrate.steer._plateau import Plateau
from learnrate.steer._reader import STORE
from learnrate.steer._replayed import Replay, replayed
from learnrate.steer._request import edits_of, preview, ratios_of, request
from learnrate.steer._sasa_plus import SasaPlus

if TYPE_CHECKING:
    from learnrate.steer._attach import attach
    from learnrate.steer._run import Run
    from learnrate.steer._signals import measured_step

_TORCH = {"Run": "_run", "attach": "_attach", "measured_step": "_signals"}

__all__ = [
    "STORE",
    "Bounded",
    "Change",
    "Controlled",
    "Controller",
    "Decision",
    "Edit",
    "Edited",
    "Guard",
    "Kind",
    "Limits",
    "LossSlope",
    "Observation",
    "Plateau",
    "Replay",
    "Run",
    "SasaPlus",
    "State",
    "attach",
    "edit_in",
    "edited",
    "edits_of",
    "measured_step",
    "preview",
    "ratios_of",
    "replay",
    "replayed",
    "request",
]


def __getattr__(name: str) -> object:
    if name not in _TORCH:
        raise AttributeError(f"module 'learnrate.steer' has no attribute {name!r}")
    with needing("torch", "torch", f"learnrate.steer.{name}"):
        module = import_module(f"learnrate.steer.{_TORCH[name]}")
    return getattr(module, name)
