"""Every claim has a stored result that follows from its figures; quick tests are repeated."""

import pytest

from learnrate.claims import ClaimVerdict, claims, read_result, run_claim
from learnrate.claims._outcome import SHIPPED, overall_verdict

SECONDS = 3.0  # of processor time: a quick test that took at most this is repeated here
CLAIMS = {claim.name: claim for claim in claims()}


@pytest.mark.parametrize("name", CLAIMS)
def test_the_stored_verdict_follows_from_the_stored_figures(name):
    claim = CLAIMS[name]
    for full in (False, True):
        tested = read_result(claim, full=full)
        if tested is None and full:
            continue
        assert tested is not None, f"learnrate claims run {name} --out {SHIPPED}"
        assert tested.own_task is None
        assert tested.verdict is overall_verdict(claim, tested.cases, full=full, own_task=False)
        for case in tested.cases:
            figure = claim.figure(case.figure)
            if figure.decides:
                inside = figure.low <= case.low and case.high <= figure.high
                assert (case.bears_out is True) == (inside and case.judged)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_quick_test_is_open_or_agrees_with_the_full_one(name):
    quick, full = (read_result(CLAIMS[name], full=full) for full in (False, True))
    assert full is None or quick.verdict in {full.verdict, ClaimVerdict.OPEN}


def test_no_result_is_stored_of_a_claim_that_was_removed():
    assert {path.stem for path in SHIPPED.glob("*.json")} == set(CLAIMS)


QUICK = [
    name
    for name, claim in CLAIMS.items()
    if (tested := read_result(claim, full=False)) and tested.processor_seconds <= SECONDS
]


def test_quick_claims_are_measured_again():
    assert len(QUICK) >= 6


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_test_gives_the_stored_verdict_again(name):
    expected, actual = read_result(CLAIMS[name], full=False), run_claim(name, progress=False)
    assert actual.verdict is expected.verdict
    assert len(actual.cases) == len(expected.cases)
    for case, stored in zip(actual.cases, expected.cases, strict=True):
        tolerance = 1e-6 + 1e-3 * abs(stored.value)
        assert stored.low - tolerance <= case.value <= stored.high + tolerance
