"""Every claim has a kept result that follows from its figures; the quick ones are measured again."""

import pytest

from learnrate.claims import claims, read_result, run_claim
from learnrate.claims._outcome import verdict_of
from learnrate.claims._results import SHIPPED

SECONDS = 10.5  # of processor time: a quick test that took at most this is repeated here
CLAIMS = {claim.name: claim for claim in claims()}


def kept(claim, *, full):
    return read_result(claim, full=full)


@pytest.mark.parametrize("name", CLAIMS)
def test_the_kept_verdict_follows_from_the_kept_figures(name):
    claim = CLAIMS[name]
    for full in (False, True):
        tested = kept(claim, full=full)
        if tested is None and full:
            continue
        assert tested is not None, f"learnrate claims run {name} --out {SHIPPED}"
        assert tested.own_task is None
        assert tested.verdict is verdict_of(tested.cases, claim.figures)
        for case in tested.cases:
            figure = claim.figure(case.figure)
            if figure.decides:
                inside = figure.low <= case.low and case.high <= figure.high
                assert (case.bears_out is True) == inside


def test_no_result_is_kept_of_a_claim_that_is_gone():
    assert {path.stem for path in SHIPPED.glob("*.json")} == set(CLAIMS)


QUICK = [
    name
    for name, claim in CLAIMS.items()
    if (one := kept(claim, full=False)) and one.processor_seconds <= SECONDS
]


def test_quick_claims_are_measured_again():
    assert len(QUICK) >= 10


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_test_gives_the_kept_verdict_again(name):
    before, again = kept(CLAIMS[name], full=False), run_claim(name, progress=False)
    assert again.verdict is before.verdict
    assert len(again.cases) == len(before.cases)
    for now, then in zip(again.cases, before.cases, strict=True):
        room = 1e-6 + 1e-3 * abs(then.value)
        assert then.low - room <= now.value <= then.high + room
