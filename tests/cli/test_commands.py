"""The command line: what is printed, where files lie, and the exit status."""

import json
import signal
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from typer.main import get_command

import learnrate
from command import command_in
from learnrate.cli._app import app, app_for
from processes import HANG, wait_until
from warm import COMMAND, started_warm

TASKS = """
import torch
from learnrate import Task
from dataclasses import replace
from learnrate.testing import quadratic_task
print("something the user's file prints")
task = quadratic_task()

def loss(model, batch, calls=[]):
    calls.append(1)
    if len(calls) == 50:
        open("began", "w").close()
    return task.loss(model, batch)

endless = replace(quadratic_task(total_steps=10_000_000), loss=loss)
unstable = quadratic_task(steepest=1000.0)
empty = Task(model=torch.nn.Linear(3, 1), loss=torch.nn.MSELoss(), data=[], total_steps=100)
frozen = Task(model=torch.nn.Linear(3, 1).requires_grad_(False), loss=torch.nn.MSELoss(),
              data=[(torch.zeros(2, 3), torch.zeros(2, 1))], total_steps=100)
vector = Task(model=torch.nn.Linear(3, 1), loss=lambda m, b: m(b), data=[torch.zeros(2, 3)], total_steps=100)
nan = Task(model=torch.nn.Linear(3, 1), loss=lambda m, b: m(b).mean() * float("nan"),
           data=[torch.zeros(2, 3)], total_steps=100)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder with a task file; its exit status, standard output and error."""
    (tmp_path / "t.py").write_text(TASKS)
    return command_in(tmp_path, monkeypatch, capsys)


def test_plan_prints_one_object_and_leaves_its_files(run, tmp_path):
    code, out, _ = run(
        "plan", "t.py:task", "--total-steps", 500, "--budget", 0.5, "--out", "here", "--json"
    )
    printed = json.loads(out)
    assert code == 0
    assert {"peak", "low", "high", "schedule", "total_steps", "cost", "verdict", "reason"} <= set(
        printed
    )
    assert {"steps", "best", "low", "high"} <= set(printed["rungs"][0])
    assert printed == json.loads((tmp_path / "here" / "plan.json").read_text())
    assert (tmp_path / "here" / "report.html").read_text().startswith("<!doctype html>")


def test_a_stored_plan_is_where_the_next_one_starts(run, tmp_path):
    plan = ("plan", "t.py:task", "--total-steps", 300, "--budget", 0.3)
    first = run(*plan, "--store", "runs.db", "--facts", "width=8", "--out", "first")
    assert first[0] == 0
    (stored_plan,) = learnrate.Store(tmp_path / "runs.db").documents()
    assert (stored_plan.kind, stored_plan.task, stored_plan.facts) == (
        "plan",
        "noisy quadratic",
        {"N": 8, "B": 8, "width": 8.0},
    )
    like = ("--like", "runs.db", "--like", "first", "--out", "second", "--json")
    code, out, _ = run(*plan, *like)
    assert code == 0
    assert [source["source"] for source in json.loads(out)["like"]["plans"]] == [
        str(tmp_path / "runs.db"),
        "first/plan.json",
    ]
    code, _, err = run(*plan, "--facts", "width=8")
    assert code == 2
    assert "Add --store" in err
    code, _, err = run(*plan, "--store", "runs.db", "--facts", "width=wide")
    assert code == 2
    assert "--facts must be NAME=VALUE with numbers" in err
    code, _, err = run(*plan, "--store", "runs.db", "--facts", "width=8,width=16")
    assert code == 2
    assert "--facts has width twice" in err


def test_plan_for_people_shows_the_answer_and_the_next_command(run):
    code, out, _ = run("plan", "t.py:task", "--total-steps", 500, "--budget", "0.5")
    plan = learnrate.Plan.read("plan.json")
    assert code == 0
    assert f"{plan.peak:.3g}" in out
    assert "learnrate train t.py:task --plan plan.json" in out


def test_a_plan_is_trained_with(run):
    run("plan", "t.py:task", "--total-steps", 300, "--budget", "0.5")
    code, out, _ = run("train", "t.py:task", "--plan", "plan.json", "--json")
    printed = json.loads(out)
    assert code == 0
    assert printed["schedule"] == str(learnrate.Plan.read("plan.json").schedule)
    assert printed["steps"] == len(printed["curve"]) == 300
    assert printed["validation"] < 0.1
    assert set(printed["curve"][0]) == {"step", "lr", "loss"}


def test_a_run_that_plans_itself_says_what_its_search_was(run, tmp_path):
    options = ("--total-steps", 200, "--no-store")
    code, out, _ = run("train", "t.py:task", "--plan", "inside", *options, "--out", "o")
    inside = json.loads((tmp_path / "o" / "train.json").read_text())["inside"]
    assert code == 0
    assert f"planned inside the run, at a cost of {inside['cost']:.1%} of the run." in out
    assert 0 < inside["cost"] <= 0.15


def test_train_takes_a_schedule_and_leaves_weights(run, tmp_path):
    code, out, _ = run(
        "train",
        "t.py:task",
        "--schedule",
        "0.1 * warmup(5%) >> linear()",
        "--total-steps",
        200,
        "--out",
        "o",
    )
    assert code == 0
    assert "finished" in out
    assert (tmp_path / "o" / "model.pt").stat().st_size > 0
    assert json.loads((tmp_path / "o" / "train.json").read_text())["steps"] == 200


def test_a_replay_says_what_it_does_not_repeat(run, tmp_path):
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=5)
    for schedule in ("0.01 * linear(5)", scheduler):
        attached = learnrate.attach(optimizer, schedule, store=tmp_path / "runs.db")
        for _ in range(5):
            weight.grad = torch.ones(1)
            optimizer.step()
            attached.step(1.0)
        attached.finish()
        code, _, err = run("train", "t.py:task", "--replay", "last", "--store", "runs.db")
        assert code == 0
        is_repeated = isinstance(schedule, str)
        assert ("but not what else was set in it (momentum)" in err) is not is_repeated


def test_a_training_that_diverges_exits_with_1_and_says_what_to_do(run):
    code, out, err = run("train", "t.py:unstable", "--schedule", "1.0", "--json")
    printed = json.loads(out)
    assert (code, printed["status"], printed["validation"]) == (1, "diverged", None)
    assert "use a lower rate" in err


def test_find_prints_one_object(run):
    code, out, _ = run("find", "t.py:task", "--iters", 60, "--repeats", 2, "--json")
    printed = json.loads(out)
    assert code == 0
    fields = {"suggestion", "reason", "zones", "rules", "diverged_at", "usual", "lr", "loss"}
    assert set(printed) == fields
    assert set(printed["zones"]) == {"falling_from", "rising_from", "highest"}
    assert set(printed["rules"]) == {"steepest", "valley", "slide", "minimum"}
    assert len(printed["lr"]) == len(printed["loss"])


def test_a_refused_range_test_prints_null_and_its_reason(run):
    code, out, _ = run("find", "t.py:task", "--low", 1e-10, "--high", 1e-9, "--json")
    printed = json.loads(out)
    assert (code, printed["suggestion"]) == (0, None)
    assert "flat" in printed["reason"]


def test_find_for_people_shows_rules_and_saves_a_picture(run, tmp_path):
    code, out, _ = run("find", "t.py:task", "--iters", 80, "--png", "find.png")
    assert code == 0
    assert "valley" in out
    assert (tmp_path / "find.png").read_bytes().startswith(b"\x89PNG")


def test_show_prints_every_rate(run):
    code, out, _ = run("show", "3e-4 * warmup(10%) >> linear()", "--total-steps", "5e1", "--json")
    printed = json.loads(out)
    expected = learnrate.schedule("3e-4 * warmup(5) >> linear(45)")
    assert code == 0
    assert printed == {
        "schedule": str(expected),
        "total_steps": 50,
        "lr": expected.table().tolist(),
    }


def test_show_reads_a_plan_and_draws(run, tmp_path):
    run("plan", "t.py:task", "--total-steps", 300, "--budget", "0.5")
    code, out, _ = run("show", "plan.json")
    assert code == 0
    assert "warmup(15)" in out
    assert "linear(285)" in out
    assert run("show", "plan.json", "--png", "s.png")[0] == 0
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_show_compares_several(run):
    code, out, _ = run("show", "constant()", "0.5 * linear()", "--total-steps", 20, "--json")
    assert code == 0
    assert [shown["total_steps"] for shown in json.loads(out)["schedules"]] == [20, 20]


@pytest.mark.parametrize(
    "words", [["plan"], ["compare"], ["transfer", "check"], ["meta", "sweep"]]
)
def test_a_paragraph_of_the_help_fills_its_lines(run, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(*words, "--help")
    assert code == 0
    description = out.partition("Usage")[2].partition("╭")[0]
    lines = [line.strip() for line in description.splitlines()]
    pairs = [(line, following) for line, following in pairwise(lines) if line and following]
    assert pairs
    for line, following in pairs:
        assert len(f"{line} {following.split()[0]}") > 78


@pytest.mark.parametrize("command", ["plan", "train", "find", "show"])
def test_every_command_has_help_with_an_example(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"learnrate {command}" in out


BAD = {
    "a file that is not there": (["plan", "absent.py:task"], "there is no file 'absent.py'"),
    "a name that is not there": (["plan", "t.py:tsk"], "Did you mean 'task'"),
    "no length": (["plan", "t.py:task", "--total-steps", "0"], "at least 1; got 0"),
    "a negative length": (
        ["train", "t.py:task", "--schedule", "1", "--total-steps", "-3"],
        "got -3",
    ),
    "a budget out of range": (
        ["plan", "t.py:task", "--budget", "2"],
        "such as 0.5 or 50%; got '2'",
    ),
    "an empty loader": (["plan", "t.py:empty"], "gave no batch"),
    "a frozen model": (["find", "t.py:frozen"], "no trainable parameter"),
    "a loss that is not a scalar": (["find", "t.py:vector"], "must be a scalar"),
    "a loss that is not finite": (
        ["plan", "t.py:nan"],
        "before any update, is nan; it must be finite",
    ),
    "a negative range": (
        ["find", "t.py:task", "--low", "-1"],
        "low must be a finite rate above 0",
    ),
    "a reversed range": (
        ["find", "t.py:task", "--low", "1", "--high", "0.1"],
        "low must be below",
    ),
    "an unknown mode": (["find", "t.py:task", "--mode", "log"], "'exponential' or 'linear'"),
    "not a number": (
        ["plan", "t.py:task", "--total-steps", "many"],
        "--total-steps must be a whole number, such as 2000 or 2e3; got 'many'.",
    ),
    "half a step": (
        ["show", "linear()", "--total-steps", "2.5"],
        "--total-steps must be a whole number, such as 2000 or 2e3; got '2.5'.",
    ),
    "an unknown option": (["plan", "t.py:task", "--stpes", "3"], "No such option"),
    "a typo in a spec": (["show", "3e-4 * warmpu(5)", "--total-steps", "9"], "warmup"),
    "a spec without a length": (
        ["show", "linear()"],
        "give the length of the run with --total-steps",
    ),
    "neither plan nor schedule": (
        ["train", "t.py:task"],
        "exactly one of --plan FILE, --schedule SPEC",
    ),
    "both of them": (
        ["train", "t.py:task", "--plan", "p.json", "--schedule", "1"],
        "exactly one of --plan FILE, --schedule SPEC",
    ),
    "a plan that is not there": (["train", "t.py:task", "--plan", "p.json"], "cannot be read"),
    "an image of no known kind": (
        ["show", "constant()", "--total-steps", "9", "--png", "x.abc"],
        "must end in .png, .svg",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_misuse_is_one_clear_error_with_exit_2_and_no_file(run, tmp_path, arguments, message):
    code, out, err = run(*arguments)
    errors = " ".join(err.replace("│", " ").split())
    assert code == 2
    assert message in errors
    assert "Traceback" not in err
    assert out == ""
    assert [path.name for path in tmp_path.iterdir() if path.suffix in {".json", ".html"}] == []


def test_a_typo_in_a_spec_is_pointed_at(run):
    _, _, err = run("show", "3e-4 * warmup(5) >> cosin(9)", "--total-steps", "14")
    lines = err.splitlines()
    spec = next(i for i, line in enumerate(lines) if "cosin(9)" in line and "^" in lines[i + 1])
    assert lines[spec + 1].index("^") == lines[spec].index("cosin(9)")


def described(command):
    """A command with its options and those of the commands in it."""
    options = [(option.opts, option.required, option.nargs) for option in command.params]
    commands = getattr(command, "commands", {})
    return command.name, options, {name: described(part) for name, part in commands.items()}


def test_the_command_that_is_asked_for_is_built_alone_and_the_same():
    name, options, commands = described(get_command(app))
    assert len(commands) > 15
    for word in commands:
        expected = {word: commands[word]}
        assert described(get_command(app_for([word, "--help"]))) == (name, options, expected)
    for words in ([], ["--version"], ["sho"]):
        assert app_for(words) is app


WITHOUT_TORCH = (
    "import sys; sys.modules['torch'] = None\n"
    "from learnrate.cli import main; sys.argv[0] = 'learnrate'; main()"
)


def run_without_torch(*arguments):
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["plan", "find", "sweep"])
def test_without_torch_a_command_that_trains_says_how_to_get_it(command):
    done = run_without_torch(command, "t.py:task")
    assert done.returncode == 2
    assert "pip install 'learnrate[torch]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_torch_schedules_and_plans_are_shown(run, tmp_path):
    run("plan", "t.py:task", "--total-steps", 300, "--budget", "0.5")
    for spec in (["1e-3 * linear()", "--total-steps", 30], [tmp_path / "plan.json"]):
        done = run_without_torch("show", *spec, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["lr"]


def test_ctrl_c_keeps_what_a_training_has(tmp_path):
    (tmp_path / "t.py").write_text(TASKS)
    words = ["train", "t.py:endless", "--schedule", "0.01", "--out", "o"]
    with started_warm(COMMAND, *words, folder=tmp_path) as process:
        wait_until((tmp_path / "began").exists, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANG)
    saved = json.loads((tmp_path / "o" / "train.json").read_text())
    assert process.returncode == 130, err
    assert saved["status"] == "interrupted"
    assert saved["steps"] > 0
    assert "interrupted" in out
