"""`learnrate runs` searches, sorts, groups, labels, deletes, restores and writes lists of runs."""

import csv
import json

import pytest

from command import command_in
from learnrate import Store


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("LEARNRATE_STORE", raising=False)
    store = Store(tmp_path / "learnrate.db")
    for name, optimizer, loss in [
        ("base", "AdamW", 0.5),
        ("wide", "SGD", 0.25),
        ("odd", "SGD", 1),
    ]:
        facts = {"optimizer": optimizer, "seed": 0}
        run_id = store.new_run(name=name, total_steps=3, facts=facts)
        store.write_points(run_id, [0, 1, 2], {"loss": [2.0, loss, 1.5], "lr": [0.1] * 3})
        store.set_status(run_id, "finished")
    return command_in(tmp_path, monkeypatch, capsys, "runs")


def names(run, *options):
    code, out, err = run(*options, "--json")
    assert (code, err) == (0, "")
    return [stored["name"] for stored in json.loads(out)]


def test_a_search_without_a_match_does_not_say_that_there_are_no_runs(run):
    assert run("--search", "nothing-like-it") == (
        0,
        "no run matches; learnrate runs --lifecycle all lists every run\n",
        "",
    )


def test_flags_search_sort_and_choose_columns(run):
    assert names(run) == ["odd", "wide", "base"]
    assert names(run, "--search", "optimizer=sgd lowest_loss<0.5") == ["wide"]
    assert names(run, "--sort", "lowest_loss", "--newest", "2") == ["wide", "base"]
    assert names(run, "--status", "diverged") == []
    listed = json.loads(run("--column", "name", "--differences", "--json")[1])
    assert [set(stored) for stored in listed] == [{"run", "name", "optimizer"}] * 3
    text = " ".join(run("--column", "lowest_loss", "--differences")[1].split())
    assert "0.25 SGD" in text
    assert "finished" not in text


def test_groups_have_the_lowest_losses_of_their_runs(run):
    groups = json.loads(run("--group-by", "optimizer", "--json")[1])
    assert [(group["value"], group["lowest_loss"], len(group["runs"])) for group in groups] == [
        ("SGD", 0.25, 2),
        ("AdamW", 0.5, 1),
    ]
    text = " ".join(run("--group-by", "optimizer")[1].split())
    assert "optimizer = SGD: 2 runs, lowest loss 0.25" in text


def test_labels_are_changed_shown_and_restored(run):
    first = json.loads(run("--search", "base", "--tag", "a", "--tag", "b", "--pin", "--json")[1])
    assert (first[0]["tags"], first[0]["pinned"]) == (["a", "b"], True)
    assert names(run)[0] == "base"
    assert "* base" in run()[1]
    base = first[0]["run"]
    assert names(run, base, "--untag", "a", "--unpin", "--rename", "new", "--note", "why") == [
        "new"
    ]
    (shown,) = json.loads(run(base, "--json")[1])
    assert (shown["tags"], shown["note"], shown["pinned"]) == (["b"], "why", False)
    assert names(run, base, "last", "--delete") == ["odd", "new"]
    assert names(run) == ["wide"]
    assert names(run, "--lifecycle", "deleted") == ["odd", "new"]
    assert names(run, base, "--restore") == ["new"]
    assert names(run, base, "--archive") == ["new"]
    assert names(run, "--lifecycle", "all") == ["odd", "wide", "new"]
    run("--search", "odd", "--lifecycle", "deleted", "--purge")
    assert names(run, "--lifecycle", "all") == ["wide", "new"]


def test_the_list_is_written_as_csv_and_json(run, tmp_path):
    assert run("--to", "a.csv", "--search", "sgd")[:2] == (0, "2 runs in a.csv\n")
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["optimizer"], row["lowest_loss"]) for row in rows] == [
        ("odd", "SGD", "1.0"),
        ("wide", "SGD", "0.25"),
    ]
    run("--to", "a.json", "--column", "seed")
    assert [set(stored) for stored in json.loads((tmp_path / "a.json").read_text())] == [
        {"run", "seed"}
    ] * 3


MISUSE = {
    ("--delete",): "Name the runs",
    ("last", "--delete", "--archive"): "Give only one of --archive",
    ("last", "--purge", "--pin"): "Give only one of --archive",
    ("last", "--purge"): "must be deleted before",
    ("last", "--tag", "a,b"): "commas",
    ("last", "--rename", ""): "must not be empty",
    ("--sort", "colour"): "no run has the field 'colour'",
    ("--group-by", "colour"): "no run has the field 'colour'",
    ("--status", "odd"): "must be one of running",
    ("--lifecycle", "odd"): "must be one of active",
    ("--to", "a.txt"): "must end in .csv or .json",
    ("nobody", "--pin"): "no run 'nobody'",
}


def test_misuse_is_refused_and_changes_nothing(run, tmp_path):
    before = Store(create=False).runs()
    for options, words in MISUSE.items():
        code, out, err = run(*options)
        assert (code, out) == (2, ""), options
        assert words in " ".join(err.replace("│", " ").split())
    assert Store(create=False).runs() == before
    assert not (tmp_path / "a.txt").exists()
