"""A lower rate as a remedy for overfitting."""

from __future__ import annotations

from learnrate.claims._overfitting import other_rate_claim

CLAIM = other_rate_claim(
    statement="Against overfitting, lower the learning rate.",
    source="common advice in answers to questions about validation losses that rise",
    share=1 / 3,
    compared="a third of it",
    remark="""
        At equal time, a lower rate has learned less, so it has also overfitted less. Earlier
        stopping has the same effect. The comparison at equal training loss excludes this effect.
    """,
)
