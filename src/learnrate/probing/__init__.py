"""Probing: questions put to a live training, which is left as it was to the bit."""

from learnrate.probing._alpha import NormalisedStep, normalised_step
from learnrate.probing._noise import NoiseScale, noise_scale, pooled
from learnrate.probing._probes import Probed, Probes
from learnrate.probing._result import Result
from learnrate.probing._sharpness import Sharpness, sharpness
from learnrate.probing._verdict import Direction, Gain, WhatIf
from learnrate.probing._what_if import what_if

__all__ = [
    "Direction",
    "Gain",
    "NoiseScale",
    "NormalisedStep",
    "Probed",
    "Probes",
    "Result",
    "Sharpness",
    "WhatIf",
    "noise_scale",
    "normalised_step",
    "pooled",
    "sharpness",
    "what_if",
]
