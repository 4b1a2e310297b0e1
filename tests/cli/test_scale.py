"""`learnrate scale`: what is printed, and the exit status."""

import csv
import json

import pytest

from command import command_in
from learnrate import Store

TARGET = ("--to", "N=1e9,B=256")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    with (tmp_path / "runs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["lr", "loss", "final, smooth", "N", "bs", "width"])
        for size in (1e7, 1e8, 1e9):
            for batch in (32, 128, 512):
                best = 1e-3 * (size / 1e8) ** -0.5 * (batch / 128) ** 0.5
                for half in range(-4, 5):
                    lr = best * 2 ** (half / 2 + 0.2)
                    loss = 3 + 0.03 * (half / 2 + 0.2) ** 2
                    writer.writerow([lr, lr, loss, size, batch, size**0.5])
    return command_in(tmp_path, monkeypatch, capsys, "scale")


COLUMNS = ("--columns", 'loss="final, smooth",B=bs')


def test_it_prints_one_object(run):
    code, out, _ = run("runs.csv", *TARGET, *COLUMNS, "--json")
    printed = json.loads(out)
    assert code == 0
    assert list(printed) == ["lr", "low", "high", "exponents", "verdict", "reason"]
    assert printed["lr"] == pytest.approx(1e-3 * 10**-0.5 * 2**0.5, rel=0.02)
    assert printed["low"] < printed["lr"] < printed["high"]
    assert printed["exponents"] == {
        "N": pytest.approx(-0.5, abs=0.03),
        "D": None,
        "B": pytest.approx(0.5, abs=0.03),
    }
    assert printed["verdict"] == "ok"


def test_without_json_it_shows_the_law_and_saves_the_picture(run, tmp_path):
    code, out, _ = run("runs.csv", *TARGET, *COLUMNS, "--png", "s.png")
    assert code == 0
    assert "80 % interval" in out
    assert "1e7 .. 1e9" in out
    assert "verdict  ok" in out
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_any_column_can_be_scaled_with_by_its_name(run):
    code, out, _ = run("runs.csv", "--to", "width=1e5,bs=128,N=1e9,B=128", *COLUMNS, "--json")
    assert code == 0
    assert set(json.loads(out)["exponents"]) == {"N", "D", "B", "width", "bs"}


def sweep_of(task, steps):
    """A sweep whose best rate is 0.1 / sqrt(steps)."""
    trials = [
        {"lr": 0.1 * steps**-0.5 * 2**half, "loss": 1 + half**2 / 10, "steps": steps}
        for half in (-2, -1, 0, 1, 2)
    ]
    return {"task": task, "trials": trials}


def test_a_store_is_scaled_with_by_what_it_has_of_plans_and_sweeps(run, tmp_path):
    store = Store(tmp_path / "runs.db")
    for steps in (25, 50, 100, 200):
        store.add_document("sweep", sweep_of("a.py:task", steps), {"N": 10, "B": 8})
    code, out, _ = run("runs.db", "--to", "steps=400", "--json")
    assert code == 0
    assert json.loads(out)["lr"] == pytest.approx(0.1 / 20, rel=0.05)
    store.add_document("sweep", sweep_of("b.py:task", 25))
    code, _, err = run("runs.db", "--to", "steps=400")
    assert code == 2
    assert "has plans and sweeps of a.py:task, b.py:task; choose with --task" in err
    assert run("runs.db", "--to", "steps=400", "--task", "a.py:task")[0] == 0
    _, _, err = run("runs.db", "--to", "steps=400", "--task", "c")
    assert "--task c is not among them" in err
    _, _, err = run("runs.csv", "--to", "steps=400", "--task", "c")
    assert "--task works only with a store" in err


def test_a_store_without_plans_and_sweeps_says_how_to_keep_them(run, tmp_path):
    Store(tmp_path / "empty.db")
    code, _, err = run("empty.db", "--to", "steps=400")
    assert code == 2
    assert "of no task; save some with learnrate plan --store" in err


def test_a_weak_prediction_says_why_and_is_not_an_error(run):
    code, out, _ = run("runs.csv", "--to", "N=1e13,B=256", *COLUMNS, "--json")
    assert (code, json.loads(out)["verdict"]) == (0, "weak")
    assert "N=1e+13 is 1e+04 times beyond the table" in json.loads(out)["reason"]


BAD = {
    "a column that is not there": (
        ["runs.csv", *TARGET, "--columns", "loss=val"],
        "no column 'val'. The columns are: 'lr', 'loss', 'final, smooth', 'N', 'bs', 'width'",
    ),
    "a factor that is not there": (
        ["runs.csv", "--to", "N=1,B=1,D=1"],
        "the table has no column 'D'",
    ),
    "a factor left out": (["runs.csv", "--to", "N=1e9"], "B varies in the table"),
    "no number": (["runs.csv", "--to", "N=big"], "--to N must be a number"),
    "a negative": (["runs.csv", "--to", "N=-1,B=1"], "N must be a finite number above 0"),
    "no value": (["runs.csv", "--to", "N"], "--to must be NAME=VALUE"),
    "a name twice": (["runs.csv", "--to", "N=1,N=2"], "--to has N twice"),
    "an open quotation": (["runs.csv", *TARGET, "--columns", 'loss="a'], "has no closing quote"),
    "no file": (["no.csv", *TARGET], "no.csv cannot be read"),
    "no target": (["runs.csv"], "--to"),
    "an image of no kind": (
        ["runs.csv", *TARGET, *COLUMNS, "--png", "a.xyz"],
        "must end in .png, .svg",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_misuse_is_one_clear_error_with_exit_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
