"""Karpathy's rate for Adam."""

from __future__ import annotations

from learnrate.claims._defaults import default_claim
from learnrate.claims._measurement import AS_GOOD

CLAIM = default_claim(
    statement="3e-4 is the best learning rate for Adam, hands down.",
    source="A. Karpathy, x.com/karpathy/status/801621764144971776, 2016 (a joke, since repeated)",
    optimizer="Adam",
    defaults={"3e-4": 3e-4},
    around=1e-2,
    high=AS_GOOD,
    remark="The longer the run, the lower the best rate: large models do train near 3e-4.",
)
