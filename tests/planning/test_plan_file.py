"""plan.json: round trip, and one clear error for every way it can be spoiled."""

import json
from pathlib import Path

import pytest

import learnrate
from learnrate import FileError, Plan
from learnrate.testing import quadratic_task

WRITTEN = sorted((Path(__file__).parent.parent / "written_by").glob("*/plan.json"))


@pytest.fixture(scope="module")
def plan():
    return learnrate.plan(quadratic_task(), total_steps=500, budget=0.5)


@pytest.fixture
def written(plan, tmp_path):
    path = tmp_path / "plan.json"
    plan.write(path)
    return path


def test_a_plan_is_read_as_it_was_written(plan, written):
    assert Plan.read(written).to_dict() == plan.to_dict()


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.parent.name)
def test_a_plan_written_by_an_older_version_is_read_for_ever(path):
    written = json.loads(path.read_text())
    upgraded = {**written, "format_version": 2, "total_steps": written["total"]}
    del upgraded["total"]
    assert json.loads(json.dumps(Plan.read(path).to_dict())) == upgraded


def test_a_plan_prints_its_answer_and_its_cost(plan):
    assert f"peak {plan.peak:.3g} ({plan.low:.2g} .. {plan.high:.2g})" in str(plan)
    assert f"Cost: {plan.cost:.0%} of one run of 500 updates." in str(plan)


def test_a_file_cut_off_anywhere_is_refused(written):
    whole = written.read_text()
    for share in (0.0, 0.3, 0.9, 0.999):
        written.write_text(whole[: int(share * len(whole))])
        with pytest.raises(FileError, match=r"plan\.json is not complete JSON: .* line"):
            Plan.read(written)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "something"}, "is not a plan of learnrate"),
        (
            {"format_version": 3},
            "format version 3; this learnrate reads up to 2. Update learnrate",
        ),
        ({"peak": -0.1}, "peak must be a finite rate above 0; got -0.1"),
        ({"peak": "fast"}, "peak must be a finite rate above 0; got 'fast'"),
        ({"peak": 1e6}, "peak must lie from low to high"),
        ({"low": 0}, "low must be a finite rate above 0; got 0"),
        ({"high": True}, "high must be a finite rate above 0; got True"),
        ({"total_steps": 499}, "has 500 updates, but its total_steps is 499"),
        ({"schedule": "100 * constant(500)"}, "its schedule reaches 100.0, above its peak"),
        ({"schedule": "0.1 * constnt(500)"}, "its schedule cannot be used"),
        ({"verdict": "perhaps"}, "verdict must be one of ok, weak; got 'perhaps'"),
        ({"cost": None}, "cost must be a finite number; got None"),
        ({"comment": "mine"}, "has no key 'comment'"),
        ({"rungs": [{}]}, "is not a plan of learnrate, or lacks a part of one"),
    ],
)
def test_a_file_edited_out_of_range_is_refused(written, changes, message):
    written.write_text(json.dumps(json.loads(written.read_text()) | changes))
    with pytest.raises(FileError, match=message):
        Plan.read(written)


@pytest.mark.parametrize("missing", ["peak", "schedule", "rungs", "trials", "cost"])
def test_a_missing_part_is_named(written, missing):
    document = json.loads(written.read_text())
    del document[missing]
    written.write_text(json.dumps(document))
    with pytest.raises(FileError, match=missing):
        Plan.read(written)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[]", b"3", b'"plan"'])
def test_another_file_is_refused(written, content):
    written.write_bytes(content)
    with pytest.raises(FileError):
        Plan.read(written)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        Plan.read(tmp_path / "plan.json")


def test_a_plan_is_written_whole_or_not_at_all(plan, written):
    before = written.read_bytes()
    written.parent.chmod(0o500)
    try:
        full = written.parent / "absent" / "plan.json"
        with pytest.raises(FileError, match="cannot be written"):
            plan.write(full)
    finally:
        written.parent.chmod(0o700)
    assert written.read_bytes() == before
    assert [path.name for path in written.parent.iterdir()] == ["plan.json"]
