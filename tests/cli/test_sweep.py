"""`learnrate sweep`: what is printed, where files lie, and the exit status."""

import json

import pytest

from command import command_in

TASKS = """
from learnrate.testing import quadratic_task
print("something the user's file prints")
task = quadratic_task()
unstable = quadratic_task(steepest=1e6)
"""
SHORT = ("--lr", "1e-3:1:4", "--seeds", "2", "--total-steps", "40")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    (tmp_path / "t.py").write_text(TASKS)
    return command_in(tmp_path, monkeypatch, capsys, "sweep")


def test_it_prints_one_object(run):
    code, out, _ = run("t.py:task", *SHORT, "--json")
    printed = json.loads(out)
    assert code == 0
    assert list(printed) == ["trials", "best", "low", "high", "engine", "resumed"]
    assert [trial["lr"] for trial in printed["trials"][::2]] == [0.001, 0.01, 0.1, 1.0]
    assert printed["trials"][-1]["status"] == "diverged"
    assert printed["low"] <= printed["best"] <= printed["high"]


def test_without_json_it_shows_a_table_and_writes_the_requested_files(run, tmp_path):
    code, out, _ = run("t.py:task", *SHORT, "--png", "s.png", "--csv", "s.csv")
    assert code == 0
    assert "2 diverged" in out
    assert "80 % interval" in out
    assert "Engine sequential" in out
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "s.csv").read_text().count("\n") == 9


def test_a_sweep_that_is_run_again_resumes(run):
    run("t.py:task", *SHORT, "--out", "here", "--json")
    _, out, _ = run("t.py:task", *SHORT, "--out", "here", "--json", "--engine", "vectorised")
    assert json.loads(out)["resumed"] == 8
    assert "8 of them from an earlier run" in " ".join(
        run("t.py:task", *SHORT, "--out", "here")[1].split()
    )


def test_a_sweep_in_which_nothing_finishes_exits_with_1(run):
    code, out, err = run("t.py:unstable", "--lr", "0.1,1", "--total-steps", "40", "--json")
    assert (code, json.loads(out)["best"]) == (1, None)
    assert "try lower rates" in err


BAD = {
    "an empty grid": (["--lr", ""], "lr must be"),
    "a reversed grid": (["--lr", "1:1e-3:5"], "0 < low < high"),
    "rates that fall": (["--lr", "0.1,0.01"], "got 0.01 after 0.1"),
    "an engine": (["--engine", "fast"], "engine must be one of"),
    "no seeds": (
        ["--seeds", "0"],
        "a whole number from 1 to 10,000; got 0. It is the number of trainings at each rate.",
    ),
    "no length": (["--total-steps", "0"], "at least 1; got 0"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_misuse_is_one_clear_error_with_exit_2(run, arguments, message):
    code, out, err = run("t.py:task", *arguments)
    assert code == 2
    assert message in " ".join(err.split())
    assert out == ""


def test_help_has_an_example(run):
    code, out, _ = run("--help")
    assert code == 0
    assert "learnrate sweep examples/digits.py:task" in " ".join(out.replace("│", " ").split())
