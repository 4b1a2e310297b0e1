"""Probing: measurements of a live training, which is restored bit for bit."""

from learnrate.probing._branch_probes import BranchProbes
from learnrate.probing._noise import NoiseScale, noise_scale, pooled
from learnrate.probing._normalised_step import NormalisedStep, normalised_step
from learnrate.probing._probes import ProbeRecord, Probes
from learnrate.probing._result import ProbeResult
from learnrate.probing._sharpness import Sharpness, sharpness
from learnrate.probing._verdict import Direction, Gain, WhatIf
from learnrate.probing._what_if import what_if

__all__ = [
    "BranchProbes",
    "Direction",
    "Gain",
    "NoiseScale",
    "NormalisedStep",
    "ProbeRecord",
    "ProbeResult",
    "Probes",
    "Sharpness",
    "WhatIf",
    "noise_scale",
    "normalised_step",
    "pooled",
    "sharpness",
    "what_if",
]
