"""Rates that stay the same across widths and depths: muP and CompleteP for torch models."""

from learnrate.transfer import _picture as _picture
from learnrate.transfer._coordinates import CoordinateCheck, LayerCheck, check
from learnrate.transfer._dimensions import Growth
from learnrate.transfer._family import WidthTask, at_width
from learnrate.transfer._groups import regroup
from learnrate.transfer._parametrize import ParameterRule, Parametrization, parametrize
from learnrate.transfer._rates import WidthSweep, WidthSweeps, sweep
from learnrate.transfer._rows import ParameterRow, parameter_rows
from learnrate.transfer._rules import (
    WIDTH_RULES,
    Family,
    Multipliers,
    Role,
    WidthRule,
    multipliers,
)
from learnrate.transfer._slopes import Power, Verdict

__all__ = [
    "WIDTH_RULES",
    "CoordinateCheck",
    "Family",
    "Growth",
    "LayerCheck",
    "Multipliers",
    "ParameterRow",
    "ParameterRule",
    "Parametrization",
    "Power",
    "Role",
    "Verdict",
    "WidthRule",
    "WidthSweep",
    "WidthSweeps",
    "WidthTask",
    "at_width",
    "check",
    "multipliers",
    "parameter_rows",
    "parametrize",
    "regroup",
    "sweep",
]
