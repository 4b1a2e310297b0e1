"""Closed loop: controllers see losses and answer with a factor for the rate and a reason.

Pure: standard library and numpy.
"""

from learnrate.controllers._controlled import Controlled
from learnrate.controllers._controller import (
    Bounded,
    Controller,
    ControllerState,
    Decision,
    Observation,
    RateChange,
    replay,
)
from learnrate.controllers._hyper_gradient import HyperGradient
from learnrate.controllers._loss_slope import LossSlope
from learnrate.controllers._plateau import Plateau
from learnrate.controllers._polyak_step import PolyakStep
from learnrate.controllers._sasa_plus import SasaPlus

__all__ = [
    "Bounded",
    "Controlled",
    "Controller",
    "ControllerState",
    "Decision",
    "HyperGradient",
    "LossSlope",
    "Observation",
    "Plateau",
    "PolyakStep",
    "RateChange",
    "SasaPlus",
    "replay",
]
