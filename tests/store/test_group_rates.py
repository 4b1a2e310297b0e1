"""The rates of all parameter groups are exported, shown, and read back."""

import csv

import pytest
import torch

import learnrate
from command import command_in
from learnrate import Store
from learnrate.store import with_group_rates
from learnrate.watch.readers import read_runs


def trained(place, shares, *, edit=None, added=None, steps=12):
    """A run of some groups; the rates that each update used."""
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in (*shares, added)]
    groups = [
        {"params": [weight], "lr": 0.1 * share}
        for weight, share in zip(weights, shares, strict=False)
    ]
    optimizer = torch.optim.SGD(groups)
    used = []
    with learnrate.attach(
        optimizer, f"0.1 * linear({steps})", store=place, name="a-name-of-a-run-that-is-long"
    ) as run:
        for step in range(steps):
            if step == 5 and edit:
                run.steer(edit, group=0, author="ann")
            if step == 5 and added:
                optimizer.add_param_group({"params": [weights[-1]], "lr": 0.1 * added})
            optimizer.zero_grad()
            loss = sum(weight.square().sum() for weight in weights)
            loss.backward()
            optimizer.step()
            used.append([group["lr"] for group in optimizer.param_groups])
            run.step(loss)
            run.validation(loss)
    return run, used


CASES = {
    "ratios": {"shares": (0.1, 1.0)},
    "edit of a group": {"shares": (1.0, 1.0), "edit": "scale 0.5"},
    "added group": {"shares": (0.1, 1.0), "added": 0.5},
}


@pytest.mark.parametrize("case", CASES)
def test_the_exported_rates_are_those_of_the_updates(case, tmp_path, monkeypatch, capsys):
    _, used = trained(tmp_path / "learnrate.db", **CASES[case])
    command = command_in(tmp_path, monkeypatch, capsys)
    assert command("export", "last", "--to", "a.csv", "--store", "learnrate.db")[0] == 0
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, rates in zip(rows, used, strict=True):
        exported = [float(row[f"lr[{group}]"]) for group in range(len(rates))]
        assert exported == pytest.approx(rates, rel=1e-12)
        assert all(
            row[name] == ""
            for name in row
            if name.startswith("lr[") and int(name[3:-1]) >= len(rates)
        )
    text = command("runs", "last", "--store", "learnrate.db")[1]
    assert "rates " in text
    (observations,) = read_runs(tmp_path / "a.csv")
    assert observations.column("lr").tolist() == [float(row["lr"]) for row in rows]
    assert observations.column("validation").tolist() == [float(row["loss"]) for row in rows]


def test_groups_with_one_rate_have_one_column(tmp_path):
    run, _ = trained(tmp_path / "a.db", (1.0, 1.0))
    store = Store(tmp_path / "a.db")
    points = store.points(run.id)
    assert with_group_rates(points, store.run(run.id).facts) is points


def test_the_name_of_a_run_can_be_read_at_80_columns(tmp_path, monkeypatch, capsys):
    trained(tmp_path / "learnrate.db", (1.0,))
    monkeypatch.setenv("COLUMNS", "80")
    text = command_in(tmp_path, monkeypatch, capsys)("runs", "--store", "learnrate.db")[1]
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    column = lines[0].index("name") if "name" in lines[0] else lines[1].index("name")
    name = "".join(line[column : column + 40].split(" ")[0] for line in lines[2:])
    assert name == "a-name-of-a-run-that-is-long"
