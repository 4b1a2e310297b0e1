"""The best rate against the length of a run, at a large batch."""

from __future__ import annotations

from learnrate.claims._horizon import HORIZON_SOURCE, horizon_claim

CLAIM = horizon_claim(
    statement="The best rate of a short run is too high for a long one, at a large batch too.",
    source=HORIZON_SOURCE,
    batch=256,
    steps=320,
    seeds=(5, 5),
    remark="""
        The published laws disagree. In the runs of Step Law the best rate rises with the length
        at a large batch, and falls at a small one. The runs here are short in comparison: the
        shortest has 20 updates, and most of them belong to the start of training.
    """,
)
