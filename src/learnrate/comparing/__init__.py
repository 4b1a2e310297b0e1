"""Compare: the planned rate against optimizers that need no rate, at equal cost."""

from learnrate.comparing import _picture as _picture
from learnrate.comparing._compare import JOURNAL_NAME, compare
from learnrate.comparing._result import (
    ComparedMethod,
    ComparedRun,
    Comparison,
    Difference,
    Standing,
)
from learnrate.comparing._tuning_free import TUNING_FREE, TuningFree

__all__ = [
    "JOURNAL_NAME",
    "TUNING_FREE",
    "ComparedMethod",
    "ComparedRun",
    "Comparison",
    "Difference",
    "Standing",
    "TuningFree",
    "compare",
]
