"""Several claims at once: the figures of each are those it has alone."""

import pytest

from learnrate import ArgumentError
from learnrate.claims import (
    ClaimVerdict,
    claim_named,
    quick_and_full,
    read_result,
    run_claim,
    run_claims,
)
from learnrate.claims import _run as run_module
from learnrate.testing import quadratic_task

ALL_CORES = run_module._cores()
QUICKEST = ("best-rate-of-a-quadratic", "keras-defaults-are-good-everywhere")


@pytest.mark.parametrize("cores", [1, 2])
def test_claims_that_run_at_once_have_the_figures_they_have_alone(cores, monkeypatch):
    monkeypatch.setattr(run_module, "_cores", lambda: ALL_CORES[:cores])
    tested = list(run_claims([claim_named(name) for name in QUICKEST], progress=False))
    assert {outcome.claim.name for outcome in tested} == set(QUICKEST)
    for outcome in tested:
        assert outcome.cases == run_claim(outcome.claim, progress=False).cases


def test_an_error_of_one_claim_is_raised():
    with pytest.raises(ArgumentError, match="makes its own tasks"):
        list(run_claims([claim_named(QUICKEST[0])] * 2, task=quadratic_task(), progress=False))


def test_a_quick_and_a_full_test_agree_differ_or_are_missing():
    full = read_result(claim_named(QUICKEST[0]), full=True)
    assert full.verdict is ClaimVerdict.HOLDS
    assert quick_and_full(full, full) == "agree"
    assert quick_and_full(full, None) == "no full test"
    assert quick_and_full(None, full) == "no quick test"
    assert quick_and_full(None, None) == "not tested"
