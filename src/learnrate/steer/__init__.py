"""Steer: closed-loop controllers, which multiply a schedule by what a run shows."""

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
from learnrate.steer._loss_slope import LossSlope
from learnrate.steer._manual import Action, Edit, Manual
from learnrate.steer._plateau import Plateau
from learnrate.steer._sasa_plus import SasaPlus

if TYPE_CHECKING:
    from learnrate.steer._signals import measured_step

__all__ = [
    "Action",
    "Bounded",
    "Change",
    "Controlled",
    "Controller",
    "Decision",
    "Edit",
    "LossSlope",
    "Manual",
    "Observation",
    "Plateau",
    "SasaPlus",
    "State",
    "measured_step",
    "replay",
]


def __getattr__(name: str) -> object:
    if name != "measured_step":
        raise AttributeError(f"module 'learnrate.steer' has no attribute {name!r}")
    with needing("torch", "torch", "learnrate.steer.measured_step"):
        from learnrate.steer._signals import measured_step  # noqa: PLC0415 - it loads torch
    return measured_step
