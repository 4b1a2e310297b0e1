"""Two ranks: the same decisions and rates; under torchrun none waits for a dead rank."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from torch import distributed
from torchrun_job import task

from learnrate import sweep, train
from processes import HANG, finished, started, wait_until
from ranks import finished_ranks

HERE = Path(__file__).parent
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def launched(*arguments, **settings):
    """Two ranks that run to their end: what they printed, and their status."""
    return finished([*LAUNCH, *arguments], **settings)


@pytest.fixture(scope="module")
def results_and_folder(tmp_path_factory):
    """The results of each of two ranks, and the folder they wrote to."""
    folder = tmp_path_factory.mktemp("ranks")
    for status, _, errors in finished_ranks(HERE / "torchrun_job.py", folder, folder=HERE):
        assert status == 0, errors
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)], folder


@pytest.fixture(scope="module")
def results(results_and_folder):
    """What must be the same on both ranks."""
    (first, second), _ = results_and_folder
    return first[0], second[0]


@pytest.fixture(scope="module")
def data(results_and_folder):
    """What each rank was given to train on."""
    (first, second), _ = results_and_folder
    return first[1]["data"], second[1]["data"]


def test_every_decision_and_loss_is_the_same_on_both_ranks(results):
    first, second = results
    for verb in first:
        assert first[verb] == second[verb], verb


def test_the_rate_is_the_same_at_every_step(results):
    first, second = (rank["rates"] for rank in results)
    assert first == second
    assert len(first) == 40
    assert len(set(first)) > 30


def test_two_ranks_train_as_one_process_with_their_batches_together(results):
    alone = train(task(16), "0.05 * warmup(5%) >> linear()", total_steps=60, progress=False)
    assert np.allclose(results[0]["loss"], alone.curve.loss, rtol=1e-9, atol=0)
    assert results[0]["validation"] == pytest.approx(alone.curve.validation, rel=1e-9)
    weights = [float(parameter.detach().sum()) for parameter in alone.model.parameters()]
    assert results[0]["weights"] == pytest.approx(weights, rel=1e-8)
    clipped = train(task(16, clip_norm=0.05, accumulate=2), 0.05, total_steps=20, progress=False)
    assert np.allclose(results[0]["clipped"], clipped.curve.loss, rtol=1e-9, atol=0)


def test_parameters_that_one_rank_does_not_use_are_still_averaged(results):
    assert results[0]["branching"][-1] < results[0]["branching"][0]


def test_only_the_first_rank_writes(results, results_and_folder):
    _, folder = results_and_folder
    assert (folder / "plan-0" / "plan.trials.jsonl").exists()
    assert not (folder / "plan-1" / "plan.trials.jsonl").exists()
    records = (folder / "sweep" / "sweep.trials.jsonl").read_text().splitlines()
    assert len(records) == 6
    assert results[0]["again"] == results[1]["again"] == 4


def test_a_rank_that_raises_fails_the_trial_on_all(results):
    status, steps, error = results[0]["failed"]
    assert (status, error) == ("failed", "rank 1: ValueError: a bad record")
    assert steps < 40


def test_a_rank_that_cannot_make_its_model_fails_that_trial_alone_on_all(results):
    first, second, third = results[0]["not made"]
    assert second[0] == "failed"
    assert second[1].startswith("rank 1: ")
    assert "MemoryError: no room" in second[1]
    alone = [
        train(
            task(16), f"{lr} * warmup(5%) >> linear()", total_steps=20, progress=False
        ).curve.final
        for lr in (0.001, 0.1)
    ]
    assert [first[2], third[2]] == pytest.approx(alone, rel=1e-9)


def test_an_error_that_all_ranks_have_names_no_rank(results):
    assert results[0]["sparse"].startswith("a sparse gradient cannot be averaged")


def test_each_batch_is_used_once_a_pass_also_where_passes_do_not_divide_evenly(data):
    for name, count in (("in turns", 5), ("shuffled", 10)):
        updates = zip(data[0][name], data[1][name], strict=True)
        in_order = [example for update in updates for batch in update for example in batch]
        passes = [in_order[first : first + count] for first in range(0, len(in_order), count)]
        assert [sorted(examples) for examples in passes] == [list(range(count))] * 2


def test_a_distributed_sampler_is_taken_as_it_is_and_shuffles_each_pass(data):
    for name, passes in (("split", 2), ("split by a function", 1)):
        orders = []
        for first in range(0, 2 * passes, 2):
            batches = [batch for rank in data for batch in rank[name][first : first + 2]]
            orders.append([example for batch in batches for example in batch])
            assert sorted(orders[-1]) == list(range(16))
        assert len(set(map(tuple, orders))) == passes
    assert [rank["epoch"] for rank in data] == [0, 0]


def test_a_journal_of_one_process_is_not_one_of_two(results_and_folder):
    _, folder = results_and_folder
    alone = sweep(task(), [0.001], seeds=1, total_steps=30, out=folder / "sweep", progress=False)
    assert alone.resumed == 0


def test_a_process_group_of_one_changes_nothing(monkeypatch):
    plain = train(task(), 0.05, total_steps=5, progress=False).curve.loss
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        for name in ("all_reduce", "broadcast", "broadcast_object_list", "all_gather_object"):
            monkeypatch.delattr(distributed, name)
        alone = train(task(), 0.05, total_steps=5, progress=False).curve.loss
        assert distributed.is_initialized()
    finally:
        distributed.destroy_process_group()
    assert np.array_equal(plain, alone)


def test_a_loop_of_the_user_is_judged_by_the_mean_loss(results):
    assert results[0]["step"] == [1.5]


def test_nothing_of_the_users_is_changed(results):
    assert results[0]["kept"]
    assert results[1]["kept"]


SLOW = """
import os, pathlib, time
from learnrate import Task
from learnrate.testing import quadratic_task

quadratic = quadratic_task()

def loss(model, batch):
    pathlib.Path(__file__).with_name(f"rank-{os.environ['RANK']}").write_text(str(os.getpid()))
    time.sleep(0.01)
    return quadratic.loss_of(model, batch)

task = Task(model=quadratic.model, loss=loss, data=quadratic.data, total_steps=100_000)
"""


def test_a_rank_that_is_killed_ends_the_job_with_a_message(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    words = ["-m", "learnrate", "train", str(tmp_path / "slow.py:task"), "--schedule", "0.001"]
    pid_file = tmp_path / "rank-1"
    with started([*LAUNCH, *words], stderr=subprocess.PIPE, text=True) as job:
        pid = wait_until(lambda: pid_file.exists() and pid_file.read_text(), job)
        time.sleep(0.5)
        os.kill(int(pid), signal.SIGKILL)
        _, errors = job.communicate(timeout=HANG)
    assert job.returncode == 1
    assert "Signal 9 (SIGKILL)" in errors or "has lost another rank" in errors


COMMANDS = """
import sys
from learnrate.cli import main

for arguments in (
    "plan job.py:task --total-steps 300 --budget 0.5 --out plans --json",
    "train job.py:task --plan plans/plan.json --out run --json",
    "sweep job.py:task --lr 0.01,0.1 --seeds 1 --total-steps 50 --json",
    "find job.py:sampled --iters 20 --repeats 1 --png find.png --json",
    "train job.py:unstable --schedule 0.1 --json",
):
    sys.argv = ["learnrate", *arguments.split()]
    try:
        main()
    except SystemExit as ended:
        sys.stderr.write(f"status {ended.code or 0}\\n")
"""

JOB = """
from torch import nn, ones
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
from learnrate import Task
from learnrate.testing import quadratic_task

print("something the user's file prints")
task = quadratic_task(total_steps=300)
unstable = quadratic_task(total_steps=100, steepest=1000.0)
examples = TensorDataset(ones(16, 3), ones(16, 1))
sampled = Task(
    model=nn.Linear(3, 1),
    loss=nn.MSELoss(),
    data=DataLoader(examples, batch_size=4, sampler=DistributedSampler(examples)),
)
"""


def test_every_command_prints_once_and_writes_once(tmp_path):
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "commands.py").write_text(COMMANDS)
    statuses, *texts = zip(*finished_ranks("commands.py", folder=tmp_path), strict=True)
    printed, errors = map("".join, texts)
    assert statuses == (0, 0), errors
    planned, trained, swept, tested, diverged = map(json.loads, printed.splitlines())
    assert trained["schedule"] == planned["schedule"]
    assert (trained["status"], trained["steps"]) == ("finished", 300)
    assert swept["best"] == pytest.approx(0.1)
    assert swept["engine"] == "sequential"
    assert tested["suggestion"] > 0
    assert diverged["status"] == "diverged"
    assert errors.count("learnrate train: diverged") == 1
    assert errors.count("the user's file prints") == 10  # the user's own, on both ranks
    assert (errors.count("status 0"), errors.count("status 1")) == (8, 2)  # of two ranks
    assert {"plans", "run", "find.png"} <= {path.name for path in tmp_path.iterdir()}


def test_misuse_is_reported_and_ends_the_job(tmp_path):
    job = launched("-m", "learnrate", "find", str(tmp_path / "none.py:task"))
    assert job.returncode == 1
    assert "there is no file" in job.stderr
    assert job.stderr.count("Traceback") <= 1  # torchrun's own
