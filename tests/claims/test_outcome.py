"""From cases to a verdict: intervals by closed form, the rule as a property, stored results."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from learnrate import FileError
from learnrate.claims import (
    Case,
    ClaimLine,
    ClaimVerdict,
    Figure,
    Outcome,
    claim_named,
    read_result,
    write_result,
)
from learnrate.claims._outcome import judge, overall_verdict, verdict_of

PLAIN = Figure("a", "b", low=0.0)
FACTOR = Figure("a", "b", high=1.1, unit="x")
values = st.lists(st.floats(-10, 10), min_size=2, max_size=8)


@given(values)
def test_the_interval_is_that_of_students_t(measured):
    actual = judge(Case("a", "here", measured), PLAIN)
    error = stats.sem(measured)
    half = stats.t.ppf(0.975, len(measured) - 1) * error
    assert actual.value == pytest.approx(sum(measured) / len(measured), abs=1e-12)
    assert actual.high - actual.value == pytest.approx(half, rel=1e-9, abs=1e-12)
    assert actual.value - actual.low == pytest.approx(half, rel=1e-9, abs=1e-12)


def test_factors_have_the_interval_of_their_logarithm():
    actual = judge(Case("a", "here", [0.5, 2.0]), FACTOR)
    assert actual.value == pytest.approx(1.0)
    assert actual.low * actual.high == pytest.approx(1.0)


@given(st.floats(-5, 5), st.floats(0.01, 3))
def test_a_case_is_open_exactly_if_its_interval_contains_the_bound(centre, half):
    actual = judge(Case("a", "here", [centre - half, centre + half]), PLAIN)
    if actual.low >= 0:
        assert actual.bears_out is True
    elif actual.high < 0:
        assert actual.bears_out is False
    else:
        assert actual.bears_out is None


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6))
def test_the_verdict_holds_with_all_cases_and_is_open_if_none_decides(answers):
    case = judge(Case("a", "here", [1.0, 1.0]), PLAIN)
    verdict = verdict_of([replace(case, bears_out=answer) for answer in answers], [PLAIN])
    expected = {
        (True,): ClaimVerdict.HOLDS,
        (False,): ClaimVerdict.FAILS,
        (None,): ClaimVerdict.OPEN,
        (False, None): ClaimVerdict.FAILS,
    }.get(tuple(sorted(set(answers), key=str)), ClaimVerdict.IN_PART)
    assert verdict is expected


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6))
def test_a_quick_test_is_open_exactly_if_its_open_cases_could_change_the_verdict(answers):
    case = judge(Case("a", "here", [1.0, 1.0]), PLAIN)

    def verdict(answers, *, quick):
        cases = [replace(case, bears_out=answer) for answer in answers]
        return verdict_of(cases, [PLAIN], quick=quick)

    settled = {
        verdict([other if answer is None else answer for answer in answers], quick=False)
        for other in (True, False)
    }
    expected = settled.pop() if len(settled) == 1 else ClaimVerdict.OPEN
    assert verdict(answers, quick=True) is expected


def test_a_quick_test_of_a_claim_that_only_the_full_one_decides_is_open_but_not_on_a_users_task():
    claim = replace(claim_named("zero-learns-nothing"), quick_decides=False)
    cases = [judge(Case("change", "here", [0.0, 1e-9]), claim.figures[0])]
    assert overall_verdict(claim, cases, full=False, own_task=False) is ClaimVerdict.OPEN
    assert overall_verdict(claim, cases, full=False, own_task=True) is ClaimVerdict.HOLDS
    assert overall_verdict(claim, cases, full=True, own_task=False) is ClaimVerdict.HOLDS


def test_a_figure_without_a_range_does_not_affect_the_verdict():
    beside = Figure("beside", "c")
    cases = [
        judge(Case("a", "here", [1.0, 1.1]), PLAIN),
        judge(Case("beside", "here", [-9.0, -8.0]), beside),
    ]
    assert cases[1].bears_out is None
    assert verdict_of(cases, [PLAIN, beside]) is ClaimVerdict.HOLDS


def an_outcome():
    claim = claim_named("zero-learns-nothing")
    case = judge(Case("change", "here", [0.0, 1e-9]), claim.figures[0])
    lines = (ClaimLine("a", (1.0, 2.0), (3.0, 4.0)),)
    environment = {"learnrate": "0.1.0"}
    return Outcome(
        claim,
        (case,),
        ClaimVerdict.HOLDS,
        2,
        1.25,
        2.5,
        full=False,
        own_task=None,
        lines=lines,
        environment=environment,
    )


def test_a_stored_result_reads_back_and_leaves_the_other_kind_unchanged(tmp_path):
    quick, full = an_outcome(), replace(an_outcome(), full=True, seeds=9)
    write_result(quick, tmp_path)
    write_result(full, tmp_path)
    assert read_result(quick.claim, tmp_path, full=False).to_dict() == quick.to_dict()
    assert read_result(quick.claim, tmp_path).to_dict() == full.to_dict()
    assert read_result(claim_named("adam-3e-4"), tmp_path) is None


def test_a_file_that_is_not_a_result_is_refused(tmp_path):
    path = write_result(an_outcome(), tmp_path)
    path.write_text('{"quick": {"cases": []}}')
    with pytest.raises(FileError, match="'zero-learns-nothing' is not valid"):
        read_result(an_outcome().claim, tmp_path)


def test_the_dictionary_leads_with_the_deciding_figure():
    printed = an_outcome().to_dict()
    assert printed["figure"] == pytest.approx(5e-10)
    assert printed["interval"][0] < printed["figure"] < printed["interval"][1]
    assert printed["verdict"] == "holds"
    assert all(math.isfinite(end) for end in printed["interval"])


def test_a_stored_result_is_judged_by_the_present_range_of_its_claim():
    document = an_outcome().to_dict()
    document["cases"][0] |= {"low": 1.0, "high": 2.0}  # far outside of what the claim allows
    again = Outcome.from_dict(an_outcome().claim, document)
    assert again.cases[0].bears_out is False
    assert again.verdict is ClaimVerdict.FAILS


def test_a_case_that_cannot_test_the_claim_is_open_whatever_its_values_are_also_when_read_back():
    case = judge(Case("a", "here", [1.0, 1.0], judged=False), PLAIN)
    assert case.bears_out is None
    document = an_outcome().to_dict()
    document["cases"][0]["judged"] = False
    again = Outcome.from_dict(an_outcome().claim, document)
    assert again.cases[0].bears_out is None
    assert again.verdict is ClaimVerdict.OPEN
