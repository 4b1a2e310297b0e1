"""Live runs: `attach`, their rates, what they record, their snapshots and their guard.

`attach`, `Run` and `measured_step` load torch when they are used.
"""

from typing import TYPE_CHECKING

from learnrate._lazy import lazy_getattr
from learnrate.run._guard import Guard
from learnrate.run._measure import Measure

if TYPE_CHECKING:
    from learnrate.run._attach import attach
    from learnrate.run._run import Run
    from learnrate.run._signals import measured_step

__all__ = ["Guard", "Measure", "Run", "attach", "measured_step"]

__getattr__ = lazy_getattr(
    __name__, {"attach": "_attach", "Run": "_run", "measured_step": "_signals"}
)
