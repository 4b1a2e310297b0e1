"""From cases to a verdict: intervals by closed form, the rule as a property, results kept whole."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from learnrate import FileError
from learnrate.claims import (
    Case,
    Figure,
    Line,
    Outcome,
    Verdict,
    claim_named,
    read_result,
    write_result,
)
from learnrate.claims._outcome import judged, verdict_of

PLAIN = Figure(name="a", says="b", low=0.0)
FACTOR = Figure(name="a", says="b", high=1.1, unit="x")
values = st.lists(st.floats(-10, 10), min_size=2, max_size=8)


@given(values)
def test_the_interval_is_students(measured):
    found = judged(Case("a", "here", measured), PLAIN)
    error = stats.sem(measured)
    half = stats.t.ppf(0.975, len(measured) - 1) * error
    assert found.value == pytest.approx(sum(measured) / len(measured), abs=1e-12)
    assert found.high - found.value == pytest.approx(half, rel=1e-9, abs=1e-12)
    assert found.value - found.low == pytest.approx(half, rel=1e-9, abs=1e-12)


def test_factors_have_the_interval_of_their_logarithm():
    found = judged(Case("a", "here", [0.5, 2.0]), FACTOR)
    assert found.value == pytest.approx(1.0)
    assert found.low * found.high == pytest.approx(1.0)


@given(st.floats(-5, 5), st.floats(0.01, 3))
def test_a_case_is_open_exactly_where_its_interval_has_the_bound_inside(centre, spread):
    found = judged(Case("a", "here", [centre - spread, centre + spread]), PLAIN)
    if found.low >= 0:
        assert found.bears_out is True
    elif found.high < 0:
        assert found.bears_out is False
    else:
        assert found.bears_out is None


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6))
def test_the_verdict_holds_with_all_cases_fails_with_none_and_counts_open_ones_against(said):
    case = judged(Case("a", "here", [1.0, 1.0]), PLAIN)
    verdict = verdict_of([replace(case, bears_out=one) for one in said], [PLAIN])
    borne = said.count(True)
    expected = {len(said): Verdict.HOLDS, 0: Verdict.FAILS}.get(borne, Verdict.IN_PART)
    assert verdict is expected


def test_a_figure_without_a_range_has_no_vote():
    beside = Figure(name="beside", says="c")
    cases = [
        judged(Case("a", "here", [1.0, 1.1]), PLAIN),
        judged(Case("beside", "here", [-9.0, -8.0]), beside),
    ]
    assert cases[1].bears_out is None
    assert verdict_of(cases, [PLAIN, beside]) is Verdict.HOLDS


def an_outcome():
    claim = claim_named("zero-learns-nothing")
    case = judged(Case("change", "here", [0.0, 1e-9]), claim.figures[0])
    lines = (Line("a", [1.0, 2.0], [3.0, 4.0]),)
    made = {"learnrate": "0.1.0"}
    return Outcome(
        claim,
        (case,),
        Verdict.HOLDS,
        2,
        1.25,
        2.5,
        full=False,
        own_task=None,
        lines=lines,
        made=made,
    )


def test_a_kept_result_reads_back_and_keeps_the_other_kind_beside_it(tmp_path):
    quick, full = an_outcome(), replace(an_outcome(), full=True, seeds=9)
    write_result(quick, tmp_path)
    write_result(full, tmp_path)
    assert read_result(quick.claim, tmp_path, full=False).to_dict() == quick.to_dict()
    assert read_result(quick.claim, tmp_path).to_dict() == full.to_dict()
    assert read_result(claim_named("adam-3e-4"), tmp_path) is None


def test_a_kept_result_that_is_none_is_refused(tmp_path):
    path = write_result(an_outcome(), tmp_path)
    path.write_text('{"quick": {"cases": []}}')
    with pytest.raises(FileError, match="'zero-learns-nothing' is not one"):
        read_result(an_outcome().claim, tmp_path)


def test_what_is_printed_is_json_and_leads_with_the_deciding_figure():
    printed = an_outcome().to_dict()
    assert printed["figure"] == pytest.approx(5e-10)
    assert printed["interval"][0] < printed["figure"] < printed["interval"][1]
    assert printed["verdict"] == "holds"
    assert all(math.isfinite(end) for end in printed["interval"])


def test_an_outcome_is_open_only_where_no_case_decides():
    known = an_outcome()
    crossing = replace(known.cases[0], bears_out=None)
    assert not known.is_open
    assert replace(known, cases=(crossing, crossing)).is_open
    assert not replace(known, cases=(crossing, known.cases[0])).is_open
