"""Sweeps: the same training at many rates and seeds, with the best rate and its interval."""

from learnrate.sweeping import _picture as _picture
from learnrate.sweeping._rates_result import RatesSweep, SweptPair
from learnrate.sweeping._result import Sweep, SweptTrial
from learnrate.sweeping._sweep import JOURNAL_NAME, rates_in, sweep

__all__ = [
    "JOURNAL_NAME",
    "RatesSweep",
    "Sweep",
    "SweptPair",
    "SweptTrial",
    "rates_in",
    "sweep",
]
