"""The best rate of runs that are too large to try: a law fitted to your runs, and published laws."""

from learnrate.scaling import _picture as _picture
from learnrate.scaling._fit import Exponent, Fit, FitVerdict, ScaledRate, fit
from learnrate.scaling._laws import (
    AdamSettings,
    adam_batch,
    linear_batch,
    mup_width,
    noise_scale_batch,
    sqrt_batch,
    step_law,
    step_law_batch,
    surge_batch,
    token_horizon,
)
from learnrate.scaling._optima import GroupOptimum, find_optima
from learnrate.scaling._runs import Runs, read_runs
from learnrate.scaling._stored import stored_runs

__all__ = [
    "AdamSettings",
    "Exponent",
    "Fit",
    "FitVerdict",
    "GroupOptimum",
    "Runs",
    "ScaledRate",
    "adam_batch",
    "find_optima",
    "fit",
    "linear_batch",
    "mup_width",
    "noise_scale_batch",
    "read_runs",
    "sqrt_batch",
    "step_law",
    "step_law_batch",
    "stored_runs",
    "surge_batch",
    "token_horizon",
]
