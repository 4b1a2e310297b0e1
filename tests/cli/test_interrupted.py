"""Ctrl-C, SIGTERM and a full disk in the middle of a command: what is kept, and what is said."""

import json
import os
import resource
import signal
import sys
import warnings
from contextlib import contextmanager

import pytest

from command import command_in
from learnrate.cli import main

TASKS = """
import os, signal
from dataclasses import replace
from learnrate.testing import quadratic_task
plain = quadratic_task(dim=2, total_steps=200)
calls = []

def loss(model, batch):
    calls.append(1)
    if len(calls) == int(os.environ.get("SIGNAL_AT", 0)):
        os.kill(os.getpid(), int(os.environ["SIGNAL"]))
    return plain.loss(model, batch)

task = replace(plain, loss=loss)
"""
PLAN = ("plan", "t.py:task", "--budget", 0.5, "--out", "o")
SWEEP = (
    "sweep", "t.py:task", "--lr", "0.01,0.1", "--seeds", 2, "--engine", "sequential", "--out", "o",
)  # fmt: skip
FIND = ("find", "t.py:task", "--png", "find.png")
TRAIN = ("train", "t.py:task", "--schedule", "0.01", "--store", "runs.db", "--out", "o")


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run a command in a folder with a task that signals the process at an update."""
    (tmp_path / "t.py").write_text(TASKS)
    return command_in(tmp_path, monkeypatch, capsys)


def described(out):
    """A printed object without what differs from one process to the next."""
    document = json.loads(out)
    return {name: value for name, value in document.items() if name not in {"cost", "resumed"}}


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (PLAN, "finished trials are kept in o"),
        (SWEEP, "finished trials are kept in o"),
        (SWEEP[:-2], "without --out no trial is kept"),
        (FIND, ""),
    ],
)
def test_ctrl_c_ends_with_130_and_one_sentence(command, sentence, call, monkeypatch, tmp_path):
    monkeypatch.setenv("SIGNAL", str(int(signal.SIGINT)))
    monkeypatch.setenv("SIGNAL_AT", "60")
    code, out, err = call(*command)
    assert (code, out) == (130, "")
    assert sentence in err
    assert "Traceback" not in err
    assert not (tmp_path / "o" / "plan.json").exists()
    assert not (tmp_path / "find.png").exists()


def terminated(command, folder, patch=lambda: None):
    """Whether a command in a process of its own is ended by SIGTERM before it is done."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads of other tests
        pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as a shell starts it; Lightning handles it
        os.chdir(folder)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.argv = ["learnrate", *map(str, command)]
        patch()
        try:
            main()
        finally:
            os._exit(99)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM


@pytest.mark.parametrize("command", [PLAN, SWEEP], ids=["plan", "sweep"])
def test_a_job_killed_in_any_phase_continues_where_it_was(command, call, monkeypatch, tmp_path):
    code, whole, _ = call(*command[:-1], "whole", "--json")
    assert code == 0
    monkeypatch.setenv("SIGNAL", str(int(signal.SIGTERM)))
    for update in (1, 20, 45):
        monkeypatch.setenv("SIGNAL_AT", str(update))
        assert terminated(command, tmp_path)
    monkeypatch.delenv("SIGNAL_AT")
    for write in (1, 2):  # the record of a trial is on disk or not, and never in part
        assert terminated(command, tmp_path, lambda write=write: end_at_write(write))
    code, out, err = call(*command, "--json")
    assert code == 0, err
    assert described(out) == described(whole)


def end_at_write(number):
    """End the process before a file is on disk for the nth time."""
    count, fsync = [], os.fsync

    def counted(descriptor):
        count.append(1)
        if len(count) == number:
            os.kill(os.getpid(), signal.SIGTERM)
        fsync(descriptor)

    os.fsync = counted


def test_a_find_that_is_ended_leaves_nothing(call, monkeypatch, tmp_path):
    monkeypatch.setenv("SIGNAL", str(int(signal.SIGTERM)))
    monkeypatch.setenv("SIGNAL_AT", "100")
    assert terminated(FIND, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"t.py"}


@contextmanager
def no_room_beyond(size):
    """Limit the size of files, as a disk with no more room does.

    A fixture would restore the limit only after pytest has written its own report, perhaps to a file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_during_a_plan_ends_it_and_costs_no_trial(call, tmp_path):
    assert call(*PLAN[:-1], "whole")[0] == 0
    with no_room_beyond((tmp_path / "whole" / "plan.trials.jsonl").stat().st_size // 2):
        code, out, err = call(*PLAN)
    assert (code, out) == (2, "")
    assert "plan.trials.jsonl cannot be written: File too large." in err
    finished_trials = (tmp_path / "o" / "plan.trials.jsonl").read_bytes().count(b"}\n")
    assert finished_trials > 0
    code, out, err = call(*PLAN, "--json")
    assert code == 0, err
    assert json.loads(out) == json.loads((tmp_path / "o" / "plan.json").read_text())


def test_a_disk_that_fills_before_the_report_leaves_the_plan_whole(call, tmp_path):
    assert call(*PLAN)[0] == 0
    folder = tmp_path / "o"
    old = (folder / "report.html").read_bytes()
    with no_room_beyond(len(old) // 2):
        code, _, err = call(*PLAN)
    assert code == 2
    assert "report.html cannot be written: File too large." in err
    assert (folder / "report.html").read_bytes() == old
    assert json.loads((folder / "plan.json").read_text())["peak"] > 0
    assert {path.name for path in folder.iterdir()} == {
        "plan.json", "plan.trials.jsonl", "report.html",
    }  # fmt: skip


def test_a_disk_that_fills_before_the_weights_are_written_is_reported(call, tmp_path):
    with no_room_beyond(100):
        code, _, err = call(*TRAIN[:-4], "--no-store", "--out", "o")
    assert code == 2
    assert "cannot be written: File too large." in err
    assert list((tmp_path / "o").iterdir()) == []
