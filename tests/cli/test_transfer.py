"""`learnrate transfer`: what is printed, and the exit status."""

import json

import pytest

import learnrate
from command import command_in

WIDTHS = """
import torch
from torch import nn
import learnrate

def make_task(width):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((32, 8), generator=generator)
    return learnrate.Task(
        model=lambda: nn.Sequential(
            nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
        ),
        loss=nn.MSELoss(),
        data=[(x, x[:, :2] * x[:, 2:4])],
        optimizer=torch.optim.Adam,
        total_steps=10,
    )

task = make_task(8)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    (tmp_path / "widths.py").write_text(WIDTHS)
    return command_in(tmp_path, monkeypatch, capsys, "transfer")


def test_the_rules_are_one_object_or_a_table(run):
    code, out, _ = run("rules", "widths.py:make_task", "--base", "8", "--width", "32", "--json")
    printed = json.loads(out)
    assert code == 0
    assert printed["peak_factor"] == 1.0
    assert {row["name"]: (row["role"], row["lr"]) for row in printed["parameters"]} == {
        "0.weight": ("input", 1.0),
        "0.bias": ("input", 1.0),
        "2.weight": ("hidden", 0.25),
        "2.bias": ("input", 1.0),
        "4.weight": ("readout", 0.25),
        "4.bias": ("fixed", 1.0),
    }
    code, out, _ = run("rules", "widths.py:make_task", "--base", "8", "--width", "32")
    assert (code, "x 0.25" in out) == (0, True)


def test_the_check_exits_with_1_if_a_layer_breaks_it(run, tmp_path):
    arguments = ("check", "widths.py:make_task", "--widths", "16,64,256", "--updates", "2")
    code, out, _ = run(*arguments, "--standard", "--json")
    assert (code, json.loads(out)["verdict"]) == (1, "breaks")
    code, out, _ = run(*arguments, "--seeds", "6", "--png", "check.png")
    assert (code, (tmp_path / "check.png").exists()) == (0, True)
    assert "own updates" in out


def test_the_sweep_shows_the_best_rate_of_every_width(run, tmp_path):
    arguments = ("sweep", "widths.py:make_task", "--widths", "8,16", "--lr", "1e-3,1e-2,1e-1")
    code, out, _ = run(*arguments, "--seeds", "1", "--png", "sweep.png", "--out", "trials")
    assert (code, (tmp_path / "sweep.png").exists()) == (0, True)
    assert "best rate" in out
    code, out, _ = run(*arguments, "--seeds", "1", "--json", "--out", "trials")
    assert [part["width"] for part in json.loads(out)["widths"]] == [8, 16]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "widths.py:make_task", "--widths", "a,b"), "--widths must be whole numbers"),
        (("check", "widths.py:task", "--widths", "8,16,32"), "function of the width"),
        (("sweep", "widths.py:make_task", "--widths", "8,16", "--roles", "x"), "--roles must be"),
    ],
)
def test_a_mistake_is_one_sentence(run, arguments, message):
    code, _, err = run(*arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_sweeps_of_two_functions_are_two_tasks_of_a_store(run, tmp_path):
    (tmp_path / "others.py").write_text(WIDTHS)
    short = ("--widths", "4,8", "--lr", "1e-3,1e-2", "--seeds", "1", "--total-steps", "2")
    for spec in ("widths.py:make_task", "others.py:make_task"):
        assert run("sweep", spec, *short, "--store", "kept.db", "--json")[0] == 0
    documents = learnrate.Store(tmp_path / "kept.db").documents()
    assert {document.task for document in documents} == {
        "widths.py:make_task",
        "others.py:make_task",
    }
