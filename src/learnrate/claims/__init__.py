"""Claims: statements about learning rates, each with the training that tests it.

Each file has one `CLAIM`: statement, source, design, figures and the rule by which they decide, all
fixed before the first run. Results are kept whether the claim holds or not.
"""

from learnrate.claims import _picture as _picture
from learnrate.claims._claim import Claim
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, ClaimVerdict, Figure
from learnrate.claims._outcome import (
    CaseResult,
    Outcome,
    quick_and_full,
    read_result,
    write_result,
)
from learnrate.claims._registry import claim_named, claims
from learnrate.claims._run import run_claim, run_claims

__all__ = [
    "Case",
    "CaseResult",
    "Claim",
    "ClaimLine",
    "ClaimMeasurement",
    "ClaimVerdict",
    "Figure",
    "Outcome",
    "claim_named",
    "claims",
    "quick_and_full",
    "read_result",
    "run_claim",
    "run_claims",
    "write_result",
]
