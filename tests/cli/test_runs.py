"""`train` records runs, `runs` lists them, and `export` writes their points."""

import csv
import json
import re
import threading

import pytest
from pyarrow import parquet

from command import command_in
from learnrate import Store, schedule
from learnrate.watch import Finding, Severity

TASKS = """\
from learnrate.testing import quadratic_task

task = quadratic_task()
unstable = quadratic_task(steepest=1000.0)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function that runs a command; its exit status, standard output and standard error."""
    monkeypatch.delenv("LEARNRATE_STORE", raising=False)
    (tmp_path / "t.py").write_text(TASKS)
    return command_in(tmp_path, monkeypatch, capsys)


TRAIN = ("train", "t.py:task", "--schedule", "0.05 * linear()", "--total-steps", 30, "--json")


def test_train_records_the_run_and_its_losses_are_the_same_without(run, tmp_path):
    _, out, _ = run(*TRAIN, "--no-store")
    assert not (tmp_path / "learnrate.db").exists()
    without = json.loads(out)
    _, out, _ = run(*TRAIN)
    recorded = json.loads(out)
    assert [point["loss"] for point in recorded["curve"]] == [p["loss"] for p in without["curve"]]
    assert without["run"] is None
    observations = Store(create=False).observations(recorded["run"])
    assert observations.column("loss").tolist() == [point["loss"] for point in recorded["curve"]]
    assert observations.column("lr").tolist() == [point["lr"] for point in recorded["curve"]]
    assert observations.column("validation")[-1] == recorded["validation"]
    assert str(observations.schedule) == recorded["schedule"]
    assert observations.facts["seed"] == 0


def test_train_prints_its_findings(run):
    frozen = ("train", "t.py:task", "--schedule", "0 * linear()", "--total-steps", 80)
    (finding,) = json.loads(run(*frozen, "--json")[1])["findings"]
    assert finding["code"] == "LR202"
    text = " ".join(run(*frozen)[1].split())
    assert "LR202 error: " in text
    expected = f"{finding['message']} do {finding['remedy']}"
    numbers = re.compile(r"\d+")  # the second run may be looked at after another number of updates
    assert numbers.sub("N", expected) in numbers.sub("N", text)
    assert json.loads(run(*frozen, "--no-store", "--json")[1])["findings"] == []


def test_an_edit_that_a_run_never_read_is_not_said_to_be_applied(run):
    store = Store("learnrate.db")
    run_id = store.new_run(total_steps=30, schedule=schedule("0.05 * linear(30)"))
    ending = threading.Timer(0.5, store.set_status, (run_id, "finished"))
    ending.start()
    code, out, _ = run("steer", run_id, "scale 0.5", "--wait", "60")
    ending.join()
    assert code == 0
    assert out == f"scale 0.5: {run_id} ended (finished) at step 0 before it read the edit\n"


def test_runs_lists_what_was_trained_the_newest_first(run):
    run(*TRAIN)
    run("train", "t.py:unstable", "--schedule", "0.1 * constant()", "--total-steps", 50)
    code, out, _ = run("runs", "--json")
    listed = json.loads(out)
    assert code == 0
    assert {"run", "status", "step", "total_steps", "lr", "loss"} <= set(listed[0])
    assert [(stored["status"], stored["total_steps"]) for stored in listed] == [
        ("diverged", 50),
        ("finished", 30),
    ]
    assert listed[1]["step"] == 30
    code, out, _ = run("runs")
    assert code == 0
    assert all(stored["run"] in out for stored in listed)


def test_one_run_is_shown_with_its_edits_and_findings(run):
    store = Store("learnrate.db")
    run_id = store.new_run(total_steps=30, schedule=schedule("0.05 * linear(30)"))
    store.add_edit(run_id, "scale", 0.5, author="ann", reason="too high")
    store.add_edit(run_id, "rollback", 7, author="ben")
    store.answer_edit(run_id, 1, "applied", step=12, answer="rate 0.03 -> 0.015", position=1)
    store.answer_edit(run_id, 2, "refused", answer="there is no snapshot of step 7")
    finding = Finding(
        code="LR301",
        severity=Severity.ADVICE,
        step=20,
        message="It is flat.",
        evidence={},
        remedy="Decay.",
    )
    store.add_finding(run_id, finding)
    (shown,) = json.loads(run("runs", "last", "--json")[1])
    assert shown["run"] == run_id
    assert shown["schedule"] == "0.05 * linear(30)"
    assert [(edit["kind"], edit["status"], edit["step"]) for edit in shown["edits"]] == [
        ("scale", "applied", 12),
        ("rollback", "refused", None),
    ]
    assert shown["findings"] == [finding.to_dict()]
    code, out, _ = run("runs", run_id[:4])
    text = " ".join(out.split())
    assert code == 0
    assert "E1 scale 0.5: applied at step 12; requested by ann at" in text
    assert "too high; rate 0.03 -> 0.015" in text
    assert "E2 rollback 7: refused; requested by ben at" in text
    assert (
        "LR301 advice: the loss is on a plateau: likely time to decay the rate (from step 20) It is flat. do Decay."
        in text
    )


def test_a_finding_with_an_unknown_code_is_shown_too(run):
    store = Store("learnrate.db")
    fields = {"step": None, "evidence": {}, "message": "It is odd.", "remedy": "Look."}
    store.add_finding(store.new_run(), Finding(code="MY1", severity=Severity.WARNING, **fields))
    assert "MY1 warning It is odd. do Look." in " ".join(run("runs", "last")[1].split())


def test_edits_are_shown_as_typed_also_of_an_unknown_kind(run):
    store = Store("learnrate.db")
    run_id = store.new_run()
    for kind, value in [
        ("follow", "3e-4 * linear()"),
        ("decay", {"steps": 500, "shape": "cosine()"}),
        ("scale", 0.123456789),
        ("ponder", [1, 2]),
    ]:
        store.add_edit(run_id, kind, value, author="ann")
    text = " ".join(run("runs", "last")[1].split())
    assert "E1 follow '3e-4 * linear()': pending" in text
    assert "E2 decay 500 'cosine()': pending" in text
    assert "E3 scale 0.123456789: pending" in text
    assert "E4 ponder [1, 2]: pending" in text


def test_export_writes_both_kinds_of_table(run, tmp_path):
    run(*TRAIN, "--store", tmp_path / "mine.db")
    store = Store(tmp_path / "mine.db", create=False)
    points = store.points(store.resolve("last"))
    for name in ("a.csv", "a.parquet"):
        code, out, _ = run("export", "last", "--to", name, "--store", "mine.db")
        assert (code, out.split()[0]) == (0, "30")
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == points.columns["loss"].tolist()
    assert [row["validation"] for row in rows[:-1]] == [""] * 29
    table = parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert table["step"] == points.step.tolist()
    assert table["lr"] == points.columns["lr"].tolist()
    assert table["validation"][:-1] == [None] * 29


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("runs",), "there is no store"),
        (("merge", "other.db"), "Check its name, or record a run there first"),
        ((*TRAIN, "--out", "t.py"), "t.py must be a folder; it is a file"),
        (("runs", "--store", "t.py"), "is not a database"),
        (("export", "last", "--to", "a.csv", "--store", "mysql://a/b"), "postgresql://"),
        ((*TRAIN, "--store", "a.db", "--no-store"), "got both"),
    ],
)
def test_misuse_gives_one_sentence_and_leaves_no_file(run, tmp_path, arguments, words):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if "db" in path.name] == []


def test_an_unknown_run_or_file_ending_is_refused(run):
    run(*TRAIN)
    code, _, err = run("export", "nobody", "--to", "a.csv")
    assert code == 2
    assert "there is no run 'nobody'" in err
    assert "; the only run is " in err
    code, _, err = run("export", "last", "--to", "a.txt")
    assert (code, "must end in .csv or .parquet" in err) == (2, True)
