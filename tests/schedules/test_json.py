"""JSON, and the files of every version ever written."""

import json
from pathlib import Path

import pytest

from learnrate.schedules import from_json, schedule

WRITTEN = sorted((Path(__file__).parent.parent / "written_by").glob("*/schedules/*.json"))


def document(**changes):
    return {
        "format": "learnrate.schedule",
        "version": 1,
        "schedule": {"name": "linear", "steps": 5, "floor": 0.1},
        **changes,
    }


def test_the_document_is_plain():
    assert document() == json.loads(schedule("linear(5, floor=0.1)").to_json())
    tree = json.loads(schedule("2 * warmup(5%) >> constant()").to_json())["schedule"]
    assert [tree["name"], tree["factor"], tree["inner"]["name"]] == ["scaled", 2.0, "chain"]
    assert tree["inner"]["parts"][0]["steps"] == "5%"


def test_a_key_left_out_is_its_default():
    tree = {"name": "linear", "steps": 5}
    assert schedule("linear(5)") == from_json(json.dumps(document(schedule=tree)))


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_of_an_earlier_version_still_reads(path):
    written = json.loads(path.read_text())
    read = from_json(json.dumps(written["document"]))
    assert schedule(written["text"]) == read
    steps = map(int, written["values"])
    values = [read(step) for step in steps]
    assert list(written["values"].values()) == pytest.approx(values, rel=1e-12)


def test_a_field_is_read_by_its_former_name():
    tree = {"name": "multi_step", "at": [3, "50%"]}
    read = from_json(json.dumps(document(schedule=tree)))
    assert read == schedule("multi_step(boundaries=[3, 50%])")
    assert json.loads(read.to_json())["schedule"]["boundaries"] == [3, "50%"]


def test_files_of_this_version_are_stored():
    assert len(WRITTEN) >= 30


REFUSED = [
    ("", "this is not JSON"),
    ('{"format"', "It may be truncated."),
    ("[]", 'it has no "format": "learnrate.schedule"'),
    (document(format="other"), 'it has no "format"'),
    (document(version=2), "this schedule has version 2; this learnrate reads up to 1."),
    (document(version="1"), "must be a whole number; got '1'."),
    (document(version=True), "must be a whole number; got True."),
    (document(extra=1), "unknown key 'extra' besides 'schedule'."),
    ({"format": "learnrate.schedule", "version": 1}, "has no key 'schedule'."),
    (document(schedule=[]), "schedule must be an object with a 'name'."),
    (document(schedule={"name": "nope"}), "has an unknown name 'nope'."),
    (document(schedule={"name": "linear", "step": 5}), "(linear) has an unknown key 'step'."),
    (document(schedule={"name": "linear", "at": [5]}), "(linear) has an unknown key 'at'."),
    (
        document(schedule={"name": "multi_step", "at": [5], "boundaries": [6]}),
        "(multi_step) has both 'boundaries' and its former name 'at'.",
    ),
    (document(schedule={"name": "linear", "steps": -5}), "Linear(steps=...) must be at least 0"),
    (document(schedule={"name": "linear", "floor": "0"}), "Linear(floor=...) must be a number"),
    (document(schedule={"name": "scaled", "factor": 1}), "(scaled) lacks a key it needs."),
    (
        document(schedule={"name": "chain", "parts": [{"name": "linear"}, {"name": "x"}]}),
        "schedule.parts[1] has an unknown name 'x'.",
    ),
    (json.dumps(document()).replace("0.1", "NaN"), "a number must be finite; got NaN."),
    (json.dumps(document()).replace("0.1", "1e999"), "must be a finite number; got inf."),
    (json.dumps(document()).replace('"steps"', '"floor"'), "has the same key twice"),
    ("[" * 100_000, "this is not JSON"),
    (5, "the JSON of a schedule must be text; got an int."),
]


@pytest.mark.parametrize(("source", "expected"), REFUSED)
def test_a_damaged_file_is_one_clear_error(source, expected, refused):
    text = json.dumps(source) if isinstance(source, dict) else source
    assert expected in refused(lambda: from_json(text))


def test_a_very_deep_nesting_is_refused(refused):
    tree = {"name": "linear", "steps": 5}
    for _ in range(150):
        tree = {"name": "noise", "inner": tree}
    assert "nested at most 100 deep" in refused(
        lambda: from_json(json.dumps(document(schedule=tree)))
    )
