"""`learnrate compare`: what is printed, where files lie, and the exit status."""

import json

import pytest

from command import command_in

TASKS = """
from dataclasses import replace
from learnrate.testing import quadratic_task
print("something the user's file prints")
task = quadratic_task(dim=2, total_steps=60)
"""
SHORT = ("--seeds", 2, "--optimizers", "Prodigy", "--no-store", "--out", "o")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("prodigyopt")
    (tmp_path / "t.py").write_text(TASKS)
    return command_in(tmp_path, monkeypatch, capsys, "compare")


def test_it_prints_one_object_and_keeps_it(run, tmp_path):
    code, out, _ = run("t.py:task", *SHORT, "--json", "--png", "c.png")
    printed = json.loads(out)
    assert code == 0
    assert [other["name"] for other in printed["others"]] == ["Prodigy"]
    assert printed["differences"][0]["standing"] in {"lower", "higher", "cannot be told apart"}
    assert json.loads((tmp_path / "o" / "compare.json").read_text()) == printed
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_without_json_compare_says_which_one_ends_lower_and_at_what_cost(run):
    code, out, _ = run("t.py:task", *SHORT)
    words = " ".join(out.split())
    assert code == 0
    assert "Prodigy ends" in words or "Prodigy and the planned rate cannot be told apart" in words
    assert "Equal cost:" in words
    assert "95% intervals" in words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--optimizers", "Prodogy"), "optimizers must be some of"),
        (("--seeds", 1), "seeds"),
        (("--store", "a.db", "--no-store"), "got both"),
    ],
)
def test_a_mistake_is_one_sentence(run, options, message):
    code, out, error = run("t.py:task", *options)
    assert (code, out) == (2, "")
    assert message in error
    assert "Traceback" not in error
