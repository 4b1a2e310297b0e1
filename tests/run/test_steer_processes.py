"""Steering over processes: killed and resumed to the bit, ranks that agree, the shell."""

import contextlib
import json
import os
import random
import sys
import threading
from pathlib import Path

import pytest
import torch

import learnrate
from learnrate import ArgumentError, Store
from learnrate.edits import Edited
from learnrate.steering import edits_of, replayed
from processes import HANG, wait_until
from warm import COMMAND, finished_warm, started_warm

JOB = (Path(__file__).parent / "steer_job.py").read_text()


def loop(folder, kills=""):
    names = [folder / name for name in ("runs.db", "state.pt", "trace")]
    return finished_warm(JOB, "loop", *names, kills)


def trace_of(folder):
    """The rate and loss of each step in its last attempt."""
    lines = [json.loads(line) for line in (folder / "trace").read_text().splitlines()]
    return {step: rest for step, *rest in lines}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    done = loop(folder)
    assert done.returncode == 0, done.stderr
    return done.stdout, trace_of(folder)


# With the first seed a checkpoint has a controller's cut that its store does not have yet.
@pytest.mark.parametrize("seed", os.environ.get("LEARNRATE_KILLS", "102 622262511").split())
def test_a_job_killed_at_any_step_continues_to_the_last_bit_with_its_edits(seed, whole, tmp_path):
    draws = random.Random(int(seed))
    steps = [19, 57, *draws.sample(range(60), 6)]  # after the edit, before its checkpoint; the end
    done = loop(tmp_path, ",".join(f"{step}.{draws.randrange(3)}" for step in sorted(steps)))
    assert done.returncode == 0, done.stderr
    assert done.stdout == whole[0]
    assert trace_of(tmp_path) == whole[1]
    (run,) = Store(tmp_path / "runs.db").runs()
    assert (run.status, run.step) == ("finished", 60)
    edits = Store(tmp_path / "runs.db").edits(run.id)
    requested = [(edit.kind, edit.step) for edit in edits if edit.author == "ann"]
    assert requested == [("scale", 17)]
    observations = Store(tmp_path / "runs.db").observations(run.id)
    expected = {step: rate for step, (rate, _) in whole[1].items()}
    assert all(
        expected[step] == rate
        for step, rate in zip(observations.step, observations.column("lr"), strict=True)
    )
    whole_schedule = Edited(run.schedule, edits_of(edits)).schedule
    assert whole_schedule.table().tolist() == list(expected.values())


def test_a_job_killed_between_an_edit_and_its_answer_applies_the_edit_once(tmp_path, monkeypatch):
    place = tmp_path / "a.db"
    weight = torch.nn.Parameter(torch.ones(1))

    def attached():
        optimizer = torch.optim.SGD([weight], lr=0.1)
        return optimizer, learnrate.attach(optimizer, "0.1 * constant(50)", store=place)

    def train(optimizer, run, until):
        while run.next_step < until:
            optimizer.step()
            run.step(1.0)

    optimizer, run = attached()
    train(optimizer, run, 3)
    before = run.state_dict()
    with monkeypatch.context() as patched:
        patched.setattr(Store, "answer_edit", lambda *args, **kwargs: True)  # the answer is lost
        run.steer("scale 0.5", author="ann")
        train(optimizer, run, 6)
        after = run.state_dict()
        run.finish("stopped")
    store = Store(place)
    assert store.edits(run.id)[0].status == "pending"
    for state, expected in ((before, 0.05), (after, 0.05)):
        store.set_status(run.id, "stopped")
        optimizer, again = attached()
        again.load_state_dict(state)
        again._edits.mailbox.exchange()
        train(optimizer, again, 12)
        assert again.lr == expected
        again.finish()


def test_two_ranks_apply_every_edit_at_the_same_step(tmp_path):
    place = tmp_path / "a.db"
    with contextlib.ExitStack() as stack:
        ranks = [
            stack.enter_context(
                started_warm(
                    *(JOB, "ranks", place, tmp_path),
                    environment={"RANK": str(rank), "WORLD_SIZE": "2"},
                )
            )
            for rank in (0, 1)
        ]
        for rank in ranks:
            _, err = rank.communicate(timeout=HANG)
            assert rank.returncode == 0, err[-3000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    (run,) = Store(place).runs()
    edits = Store(place).edits(run.id)
    assert [[edit.kind, edit.status] for edit in edits] == [
        ["scale", "applied"],
        ["set", "applied"],
        ["snapshot", "applied"],
        ["scale", "refused"],
        ["hold", "applied"],
        ["stop", "applied"],
    ]
    assert [step for _, step in first["edits"]] == [edit.step for edit in edits if edit.step]
    assert first["stopped"] == "stopped by ann"
    steps = {edit.kind: edit.step for edit in edits if edit.status == "applied"}
    assert first["used"][steps["scale"] - 1 : steps["scale"] + 1] == [0.1, 0.05]
    assert first["used"][-1] == 0.03
    assert len(first["used"]) == steps["stop"]


# Resumed otherwise than saved


class Short:
    """A run of a few updates, in this process."""

    def __init__(self, place, schedule="0.1 * constant(50)"):
        weight = torch.nn.Parameter(torch.ones(1))
        self.optimizer = torch.optim.SGD([weight], lr=0.1)
        self.run = learnrate.attach(self.optimizer, schedule, store=place)

    def train(self, until):
        while self.run.next_step < until:
            self.optimizer.step()
            self.run.step(1.0)
        return self.run


def test_a_rate_changed_on_resume_is_one_argument_and_an_edit(tmp_path):
    first = Short(tmp_path / "a.db")
    state = first.train(10).state_dict()
    first.run.finish("stopped")
    second = Short(tmp_path / "a.db", "0.02 * constant(50)")
    with pytest.raises(
        ArgumentError, match=r"change_schedule=True\) to continue under the new one"
    ):
        second.run.load_state_dict(state)
    second.run.load_state_dict(state, change_schedule=True, reason="too high")
    assert second.run.lr == 0.02
    second.train(50).finish()
    store = Store(tmp_path / "a.db")
    (edit,) = store.edits(second.run.id)
    assert (edit.kind, edit.value, edit.step) == ("follow", "0.02 * constant(50)", 10)
    assert edit.reason.startswith("too high")
    assert replayed(store, "last").lr.tolist() == [0.1] * 10 + [0.02] * 40
    assert store.observations(second.run.id).column("lr").tolist() == [0.1] * 10 + [0.02] * 40


@pytest.mark.parametrize("change", [True, False])
def test_a_schedule_that_was_changed_on_a_resume_is_that_of_the_next_one(change, tmp_path):
    first = Short(tmp_path / "a.db")
    state = first.train(10).state_dict()
    first.run.finish("stopped")
    second = Short(tmp_path / "a.db", "0.02 * constant(50)")
    second.run.load_state_dict(state, change_schedule=True)
    second.train(20).steer("scale 0.5", author="ann")
    state = second.train(30).state_dict()
    second.run.finish("stopped")
    third = Short(tmp_path / "a.db", "0.02 * constant(50)")
    third.run.load_state_dict(state, change_schedule=change)
    third.train(50).finish()
    store = Store(tmp_path / "a.db")
    assert replayed(store, "last").lr.tolist() == [0.1] * 10 + [0.02] * 10 + [0.01] * 30
    assert [edit.kind for edit in store.edits(third.run.id)] == ["follow", "scale"]
    fourth = Short(tmp_path / "a.db", "0.03 * constant(50)")
    with pytest.raises(ArgumentError, match=r"saved under 0.02 \* constant\(50\), but"):
        fourth.run.load_state_dict(state)


@pytest.mark.parametrize("later", [True, False])
def test_edits_after_the_saved_state_are_made_again_unless_they_are_not_wanted(later, tmp_path):
    first = Short(tmp_path / "a.db")
    state = first.train(10).state_dict()
    first.train(15)
    first.run.steer("scale 0.5", author="ann")
    first.train(20).finish("stopped")
    second = Short(tmp_path / "a.db")
    second.run.load_state_dict(state, later_edits=later)
    second.train(50).finish()
    expected = [0.1] * 15 + [0.05 if later else 0.1] * 35
    store = Store(tmp_path / "a.db")
    assert store.observations(second.run.id).column("lr").tolist() == expected
    assert replayed(store, "last").lr.tolist() == expected


# From the shell


def shell(*arguments, place):
    return finished_warm(COMMAND, *arguments, "--store", place)


TASK = """
import itertools
import time
from pathlib import Path
from learnrate import Task
from learnrate.testing import quadratic_task

template = quadratic_task(total_steps=300)
updates = itertools.count()

def slow(model, batch):  # from update 100 on it waits until somebody has steered it
    time.sleep(0.01)
    while next(updates) >= 100 and not Path(__file__).with_name("steered").exists():
        time.sleep(0.01)
    return template.loss_of(model, batch)

task = Task(model=template.model, loss=slow, data=template.data, optimizer=template.optimizer, total_steps=300)
quick = Task(model=template.model, loss=template.loss_of, data=template.data, optimizer=template.optimizer, total_steps=300)
"""


def test_a_training_is_steered_from_the_shell_and_repeated_to_the_last_bit(tmp_path):
    (tmp_path / "job.py").write_text(TASK)
    place = tmp_path / "a.db"
    done = []
    asks = [
        threading.Thread(target=lambda words=words: done.append(shell(*words, place=place)))
        for words in (
            ["steer", "last", "scale", "0.5", "--reason", "flat", "--author", "ann"],
            ["steer", "last", "rollback", "7"],
        )
    ]
    words = ["train", f"{tmp_path}/job.py:task", "--schedule", "0.05 * linear()"]
    with started_warm(COMMAND, *words, "--store", place, "--json") as training:
        wait_until(lambda: place.exists() and Store(place).runs(), training)
        for ask in asks:
            ask.start()
        store = Store(place)
        (run,) = store.runs()
        wait_until(
            lambda: store.edits(run.id) and any(process.returncode for process in done), training
        )
        (tmp_path / "steered").touch()
        out, err = training.communicate(timeout=HANG)
        for ask in asks:
            ask.join()
    assert training.returncode == 0, err
    refused, applied = sorted(done, key=lambda process: -process.returncode)
    assert applied.returncode == 0, applied.stderr
    assert "applied it at step" in applied.stdout
    assert refused.returncode == 2
    assert "there is no snapshot of step 7" in refused.stderr
    replay = json.loads(shell("replay", "last", "--json", place=place).stdout)
    trained = json.loads(out)
    assert replay.keys() == {"run", "schedule", "total_steps", "lr", "groups", "edits"}
    assert replay["lr"] == [point["lr"] for point in trained["curve"]]
    (edit,) = replay["edits"]
    assert (edit["kind"], edit["value"], edit["author"], edit["reason"]) == (
        *("scale", 0.5),
        *("ann", "flat"),
    )
    again = shell("train", f"{tmp_path}/job.py:quick", "--replay", "last", "--json", place=place)
    assert json.loads(again.stdout)["curve"] == trained["curve"]


def test_misuse_is_one_sentence_exits_with_2_and_changes_nothing(tmp_path, capsys, monkeypatch):
    from learnrate.cli import main

    short = Short(tmp_path / "a.db")
    run = short.train(5)
    run.recorder.flush()
    store = Store(tmp_path / "a.db")

    def error_of(*arguments):
        monkeypatch.setattr(
            sys, "argv", ["learnrate", *arguments, "--store", str(tmp_path / "a.db")]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2, arguments
        return capsys.readouterr().err

    assert "there is no run 'nobody'" in error_of("steer", "nobody", "hold")
    assert "did you mean 'scale'" in error_of("steer", "last", "scael", "0.5")
    assert "a rate above 0, such as 1e-4; got -1.0." in error_of("steer", "last", "set", "-1")
    assert "a factor above 0" in error_of("steer", "last", "scale -0.5")
    assert "no option --reasn; did you mean --reason?" in error_of(
        "steer", "last", "set", "1", "--reasn", "flat"
    )
    assert "a rate above 0" in error_of("steer", "last", "set", "0")
    assert "a rate above 0" in error_of("steer", "last", "set", "nan")
    assert "no snapshot of step 3, nor of any other step" in error_of(
        "steer", "last", "rollback", "3"
    )
    assert "only decay takes a shape" in error_of("steer", "last", "hold", "--shape", "cosine")
    assert "there is no group 3" in error_of("steer", "last", "hold", "--group", "3")
    assert "there is no run 'nobody'" in error_of("replay", "nobody")
    run.finish()
    assert "has ended (finished)" in error_of("steer", run.id, "hold")
    assert "no run in" in error_of("steer", "last", "hold")
    assert store.edits(run.id) == []


def test_a_store_that_cannot_be_written_refuses_the_edit(tmp_path):
    with pytest.raises(learnrate.StoreError):
        Store(tmp_path / "none.db", create=False)
