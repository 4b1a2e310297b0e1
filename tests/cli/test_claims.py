"""`learnrate claims`: the list, one claim, and its test on a user's task."""

import json

import pytest

from command import command_in

TASK = """
import torch, learnrate
x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
task = learnrate.Task(
    model=lambda: torch.nn.Linear(4, 1),
    loss=torch.nn.MSELoss(),
    data=[(x, x.sum(1, keepdim=True))],
    total_steps=20,
)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(TASK)
    return command_in(tmp_path, monkeypatch, capsys, "claims")


def test_the_list_names_every_claim_with_its_verdict(run):
    listed = json.loads(run("--json")[1])
    keys = {"name", "statement", "source", "verdict", "figure", "interval", "seeds", "seconds"}
    keys |= {"full", "quick_verdict", "quick_and_full"}
    assert all(set(claim) == keys for claim in listed)
    verdicts = {"holds", "holds in part", "does not hold", "open"}
    assert {claim[key] for claim in listed for key in ("verdict", "quick_verdict")} <= verdicts
    says = {"agree", "quick test open", "no full test"}
    assert {claim["quick_and_full"] for claim in listed} <= says
    _, printed, _ = run()
    for claim in listed:
        _, _, after = printed.partition(f"{claim['name']}  {claim['verdict']}\n")
        evidence = " ".join(after.split(f"{claim['seeds']} seeds; ")[0].split())
        assert claim["statement"] in evidence, claim["name"]
        assert after.split(f"{claim['seeds']} seeds; ")[1].startswith(claim["quick_and_full"])


def test_a_claim_is_tested_on_a_users_task_and_the_result_is_stored(run, tmp_path):
    _, out, _ = run(
        "run", "zero-learns-nothing", "--task", "mine.py:task", "--out", "kept", "--json"
    )
    (tested,) = json.loads(out)
    assert tested["verdict"] == "holds"
    assert tested["task"] == "mine.py:task"
    assert tested["interval"] == [0.0, 0.0]
    _, shown, _ = run("show", "zero-learns-nothing", "--results", "kept")
    assert "holds for mine.py:task" in shown
    assert (tmp_path / "kept" / "zero-learns-nothing.json").exists()


def test_the_picture_is_saved(run, tmp_path):
    code, _, _ = run("run", "zero-learns-nothing", "--task", "mine.py:task", "--png", "claim.png")
    assert code == 0
    assert (tmp_path / "claim.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "zero-learns-nothin"], "Did you mean 'zero-learns-nothing'"),
        (["run", "zero-learns-nothing", "--total-steps", "5"], "no task is given"),
        (
            ["run", "adam-3e-4", "zero-learns-nothing", "--png", "a.png"],
            "the picture of one claim",
        ),
        (["run", "zero-learns-nothing", "--task", "mine.py:nothing"], "has no 'nothing'"),
        (["show", "nonsense"], "must be one of the"),
    ],
)
def test_a_wrong_command_line_is_explained_and_exits_with_2(run, arguments, message):
    code, _, error = run(*arguments)
    assert code == 2
    assert message in error
