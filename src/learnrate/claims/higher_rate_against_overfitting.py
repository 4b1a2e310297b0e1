"""A higher rate as a remedy for overfitting."""

from __future__ import annotations

from learnrate.claims._overfitting import other_rate_claim

CLAIM = other_rate_claim(
    statement="Against overfitting, raise the learning rate.",
    source="""
        Smith 2018, arXiv:1803.09820, and Li, Wei and Ma 2019, arXiv:1907.04595: large rates
        regularise
    """,
    share=3.0,
    compared="three times it",
    remark="""
        The best rate is that of the lowest validation loss after a fourth of the run. The networks
        have no BatchNorm, to which much of the effect of large rates is attributed.
    """,
)
