"""The default rate in the paper on Adam."""

from __future__ import annotations

from learnrate.claims._defaults import default_claim
from learnrate.claims._measurement import GOOD

CLAIM = default_claim(
    statement="1e-3 is a good default learning rate for Adam.",
    source="Kingma & Ba, Adam: a method for stochastic optimization, 2015, arXiv:1412.6980",
    optimizer="Adam",
    defaults={"1e-3": 1e-3},
    around=1e-2,
    high=GOOD,
    quick_decides=False,
    remark="""
        A rate is good if its loss is at most a quarter above the best. These runs are short, and a
        short run needs a higher rate than a long one.
    """,
)
