"""Claims: what is said about learning rates, each with the training that tests it.

One file a claim, each with one `CLAIM`: statement, source, design, figures and the rule by which
they decide, all fixed before the first run. What a test found is kept, whether the claim held or not.
"""

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured, Verdict
from learnrate.claims._outcome import Judged, Outcome
from learnrate.claims._registry import claim_named, claims
from learnrate.claims._results import read_result, write_result
from learnrate.claims._run import run_claim

__all__ = [
    "Case",
    "Claim",
    "Figure",
    "Judged",
    "Line",
    "Measured",
    "Outcome",
    "Verdict",
    "claim_named",
    "claims",
    "read_result",
    "run_claim",
    "write_result",
]
