"""Two ranks, started by torchrun: one decision, one rate, and no rank that waits for a dead one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from learnrate import train

HERE = Path(__file__).parent
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

sys.path.insert(0, str(HERE))
from torchrun_job import task  # noqa: E402 - the file that the ranks run

sys.path.pop(0)


def launched(*arguments, **settings):
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | settings
    return subprocess.Popen([*LAUNCH, *arguments], **settings)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What each of two ranks says."""
    folder = tmp_path_factory.mktemp("ranks")
    job = launched(str(HERE / "torchrun_job.py"), str(folder))
    _, said = job.communicate(timeout=240)
    assert job.returncode == 0, said
    first, second = (json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1))
    first["folder"] = folder
    return first, second


def test_every_decision_and_every_loss_is_the_same_on_both(both):
    first, second = ({name: one[name] for name in one if name != "folder"} for one in both)
    for verb in ("plan", "sweep"):
        assert first[verb] == second[verb]
    assert first == second


def test_the_rate_is_the_same_at_every_step(both):
    first, second = (one["rates"] for one in both)
    assert first == second
    assert len(first) == 40
    assert len(set(first)) > 30


def test_two_ranks_train_as_one_process_with_their_batches_together(both):
    alone = train(task(16), "0.05 * warmup(5%) >> linear()", steps=60, progress=False)
    assert np.allclose(both[0]["loss"], alone.curve.loss, rtol=1e-9, atol=0)
    assert both[0]["validation"] == pytest.approx(alone.curve.validation, rel=1e-9)
    weights = [float(one.detach().sum()) for one in alone.model.parameters()]
    assert both[0]["weights"] == pytest.approx(weights, rel=1e-8)
    clipped = train(task(16, clip_norm=0.05, accumulate=2), 0.05, steps=20, progress=False)
    assert np.allclose(both[0]["clipped"], clipped.curve.loss, rtol=1e-9, atol=0)


def test_what_one_rank_does_not_use_is_still_averaged(both):
    assert both[0]["branching"][-1] < both[0]["branching"][0]


def test_only_the_first_rank_writes(both):
    folder = both[0]["folder"]
    assert (folder / "plan-0" / "plan.trials.jsonl").exists()
    assert not (folder / "plan-1" / "plan.trials.jsonl").exists()
    records = (folder / "sweep" / "sweep.trials.jsonl").read_text().splitlines()
    assert len(records) == 6
    assert both[0]["again"] == both[1]["again"] == 4


def test_a_rank_that_raises_fails_the_trial_on_all(both):
    status, steps, error = both[0]["failed"]
    assert (status, error) == ("failed", "RuntimeError: rank 1: ValueError: a bad record")
    assert steps < 40


def test_a_loop_of_ones_own_is_judged_by_the_mean_loss(both):
    assert both[0]["step"] == [1.5]


def test_nothing_of_the_users_is_changed(both):
    assert both[0]["kept"]
    assert both[1]["kept"]


SLOW = """
import os, pathlib, time
from learnrate import Task
from learnrate.testing import quadratic_task

made = quadratic_task()

def loss(model, batch):
    pathlib.Path(__file__).with_name(f"rank-{os.environ['RANK']}").write_text(str(os.getpid()))
    time.sleep(0.01)
    return made.loss_of(model, batch)

task = Task(model=made.model, loss=loss, data=made.data, steps=100_000)
"""


def test_a_rank_that_is_killed_ends_the_job_with_a_message(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    job = launched(
        "-m", "learnrate", "train", str(tmp_path / "slow.py:task"), "--schedule", "0.001"
    )
    there = tmp_path / "rank-1"
    end = time.monotonic() + 60
    while not (there.exists() and there.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(int(there.read_text()), signal.SIGKILL)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 1
    assert "Signal 9 (SIGKILL)" in said or "has lost another rank" in said


def test_the_command_prints_once(tmp_path):
    (tmp_path / "job.py").write_text(
        "from learnrate.testing import quadratic_task\ntask = quadratic_task(steps=100)\n"
    )
    job = launched("-m", "learnrate", "find", str(tmp_path / "job.py:task"), "--json")
    printed, said = job.communicate(timeout=60)
    assert job.returncode == 0, said
    assert json.loads(printed)["suggestion"] > 0


def test_misuse_is_said_and_ends_the_job(tmp_path):
    job = launched("-m", "learnrate", "find", str(tmp_path / "none.py:task"))
    _, said = job.communicate(timeout=60)
    assert job.returncode == 1
    assert "there is no file" in said
    assert said.count("Traceback") <= 1  # torchrun's own
