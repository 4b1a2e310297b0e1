"""The rate beyond what can be tried: laws of the literature, and a law fitted to your own runs."""

from learnrate.scaling._fit import Exponent, Fit, Scaled, Verdict, fit
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
from learnrate.scaling._optima import Optimum, find_optima
from learnrate.scaling._runs import Runs, read_runs

__all__ = [
    "AdamSettings",
    "Exponent",
    "Fit",
    "Optimum",
    "Runs",
    "Scaled",
    "Verdict",
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
    "surge_batch",
    "token_horizon",
]
