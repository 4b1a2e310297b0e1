"""The best rate against the length of a run, at a small batch."""

from __future__ import annotations

from learnrate.claims._horizon import HORIZON_SOURCE, horizon_claim

CLAIM = horizon_claim(
    statement="The best rate of a short run is too high for a long one, at a small batch.",
    source=HORIZON_SOURCE,
    batch=8,
    steps=800,
    seeds=(5, 8),
    remark="""
        In theory, the best rate under a linear decay falls with the square root of the length: a
        factor of 4 here. The published baselines of DeepOBS (arXiv:1903.05499), at constant rates
        and by training loss, give a slope of -0.45.
    """,
)
