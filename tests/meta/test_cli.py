"""`learnrate meta`: what is printed, where files lie, and the exit status."""

import json

import pytest

from command import command_in

TASKS = """
import torch
from torch import nn
from learnrate.meta import Learned, MetaTask, Sinusoids
print("something the user's file prints")
sines = MetaTask(
    model=lambda: nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)),
    loss=nn.MSELoss(), episodes=Sinusoids(), batch=4, total_steps=8, test_count=10,
)
learned = MetaTask(
    model=lambda: nn.Linear(1, 1), loss=nn.MSELoss(), episodes=Sinusoids(), total_steps=20,
    inner_lr=Learned(start=0.01),
)
number = 3
one_argument = MetaTask(model=lambda: nn.Linear(1, 1), loss=lambda batch: 0, episodes=Sinusoids())
"""
FIGURE_2 = (
    "--n-train 30 --n-val 2 --n-adapt 20 --tasks 3 --dim 60 --sigma 1 --nu 0.5 --adapt-lr 0.2"
)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    (tmp_path / "t.py").write_text(TASKS)
    return command_in(tmp_path, monkeypatch, capsys, "meta")


def test_theory_prints_the_optima_as_one_object(run):
    code, out, _ = run("theory", *FIGURE_2.split(), "--json")
    printed = json.loads(out)
    assert code == 0
    assert {"inner_lr", "adapt_lr", "loss", "regime"} <= set(printed)
    assert printed["inner_lr"]["best"] == pytest.approx(-1.01, abs=0.01)
    assert printed["inner_lr"]["worst"] == pytest.approx(0.49, abs=0.01)
    assert printed["adapt_lr"]["best"] == pytest.approx(0.09, abs=0.001)
    assert printed["regime"] == "over-parameterised"


def test_theory_simulates_beside_the_formula_and_draws_the_figure(run, tmp_path):
    code, out, _ = run("theory", "--simulate", 500, "--png", "f.png", "--json")
    assert code == 0
    assert json.loads(out)["simulated"]["gain"]["mean"] < 0
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = run("theory", "--figure", 3, "--simulate", 20)
    assert code == 0
    assert "under-parameterised" in out


@pytest.mark.parametrize("form", [["--inner-lr", "-0.02:0.02:3"], ["--inner-lr=-0.02:0.02:3"]])
def test_a_grid_may_begin_with_a_minus(run, form, tmp_path):
    code, out, _ = run(
        "sweep", "t.py:sines", *form, "--adapt-lr", "-0.01,0.01", "--seeds", 1,
        "--png", "m.png", "--json",
    )  # fmt: skip
    printed = json.loads(out)
    assert code == 0
    assert [row["inner_lr"] for row in printed["rows"][::2]] == [-0.02, 0.0, 0.02]
    assert printed["rows"][0]["adapt_lr"] == -0.01
    assert printed["best"]["inner_lr"]["low"] < printed["best"]["inner_lr"]["high"]
    assert (tmp_path / "m.png").exists()


def test_for_people_a_sweep_is_a_table_and_resumes(run):
    grid = ["--inner-lr", "-0.01,0.01", "--adapt-lr", "0,0.01", "--seeds", 2, "--out", "here"]
    assert "80 % interval" in run("sweep", "t.py:sines", *grid)[1]
    assert "4 from an earlier run" in " ".join(run("sweep", "t.py:sines", *grid)[1].split())


def test_the_middle_of_a_grid_is_zero_and_one_seed_is_one(run):
    grid = ["--inner-lr", "-0.1:0.5:13", "--adapt-lr", "0", "--seeds", 1, "--total-steps", 1]
    out = " ".join(run("sweep", "t.py:sines", *grid)[1].split())
    assert "-0.05 " in out
    assert "e-17" not in out
    assert "13 meta-trainings of 1 updates, 1 seed." in out


def test_training_takes_a_negative_rate_and_leaves_its_files(run, tmp_path):
    code, out, _ = run(
        "train", "t.py:sines", "--inner-lr", "-0.01", "--adapt-lr", "0.01", "--out", "o", "--json"
    )
    assert code == 0
    assert json.loads(out)["status"] == "finished"
    assert json.loads((tmp_path / "o" / "meta.json").read_text())["loss"] > 0
    assert (tmp_path / "o" / "model.pt").exists()


def test_training_shows_the_learned_rates_below_zero(run, tmp_path):
    code, out, _ = run("train", "t.py:learned", "--png", "r.png")
    assert code == 0
    assert "below 0" in out
    assert (tmp_path / "r.png").exists()


def test_a_training_that_diverges_exits_with_1_and_says_where(run):
    code, out, err = run("train", "t.py:sines", "--inner-lr", "1e30")
    assert code == 1
    assert out.strip() == "diverged after 1 meta-update"
    assert "at meta-update 0 the loss of episode 0 of 4" in err


def test_a_sweep_of_which_nothing_finishes_exits_with_1(run):
    code, _, err = run(
        "sweep", "t.py:sines", "--inner-lr", "1e30", "--adapt-lr", "0.1", "--seeds", 1
    )
    assert code == 1
    assert "use inner rates closer to 0" in err


def test_advice_says_the_regime_and_the_command_to_continue_with(run):
    code, out, _ = run("advise", "t.py:sines", "--probe", 5, "--json")
    assert code == 0
    assert set(json.loads(out)) >= {"diversity", "noise", "share", "error", "regime", "advice"}
    assert (
        "learnrate meta sweep t.py:sines --inner-lr -"
        in run("advise", "t.py:sines", "--probe", 0)[1]
    )


BAD = {
    "a reversed grid": (["sweep", "t.py:sines", "--inner-lr", "0.1:-0.1:5"], "--inner-lr must be"),
    "no grid": (["sweep", "t.py:sines", "--adapt-lr", "fast"], "--adapt-lr must be low:high"),
    "not a meta-task": (["train", "t.py:number"], "must be a learnrate.meta.MetaTask"),
    "no such name": (["advise", "t.py:sine"], "Did you mean 'sines'?"),
    "no such figure": (["theory", "--figure", "4"], "--figure must be 2 or 3"),
    "the threshold": (["theory", "--dim", "6"], "dim must differ"),
    "rates that are not learned": (
        ["train", "t.py:sines", "--png", "r.png"],
        "--png draws learned inner rates, and this training has fixed ones",
    ),
    "rates that are no longer learned": (
        ["train", "t.py:learned", "--inner-lr", "0.1", "--png", "r.png"],
        "without --inner-lr",
    ),
    "a loss of one argument": (
        ["train", "t.py:one_argument"],
        "the loss of the episodes could not be computed: TypeError",
    ),
    "few episodes": (
        ["advise", "t.py:sines", "--episodes", "3"],
        "advise(episodes=...) must be a whole number of at least 20; got 3",
    ),
    "a negative probe": (["advise", "t.py:sines", "--probe", "-1"], "advise(probe=...) must be"),
    "no simulated runs": (["theory", "--simulate", "0"], "simulate(runs=...) must be"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_misuse_is_one_clear_error_with_exit_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert code == 2
    assert message in " ".join(err.split())
    assert out == ""


@pytest.mark.parametrize("command", ["sweep", "train", "advise", "theory"])
def test_help_has_an_example(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"learnrate meta {command}" in " ".join(out.replace("│", " ").split())
