"""A stack is as wide as memory allows: measured under a real limit, in a process of its own."""

import json
import sys

import pytest
import torch

from learnrate import schedule
from learnrate.testing import quadratic_task
from learnrate.trials import Trial
from learnrate.trials._memory import (
    StackMemory,
    available_memory,
    is_out_of_memory,
    measure_stack_memory,
)
from warm import finished_warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these limits")

LIMITED = """
import ctypes, json, resource, sys
import numpy as np, torch
from torch import nn
from learnrate import Task, schedule
from learnrate.trials import Sequential, Trial, Vectorised, choose_engine, preserved
from learnrate.trials._memory import _status

# Each further arena of malloc would take 64 MiB of the limit, whether it is used or not.
M_ARENA_MAX = -8
ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
torch.set_num_threads(1)
x = torch.randn(128, 128)
task = Task(
    model=lambda: nn.Sequential(nn.Linear(128, 768), nn.Tanh(), nn.Linear(768, 768), nn.Tanh(),
                                nn.Linear(768, 1)),
    loss=nn.MSELoss(),
    data=[(x, x[:, :1])],
)
trials = [Trial((lr * schedule("linear()")).over(2), 0) for lr in np.geomspace(1e-4, 1e-2, 24)]
results = {}
with preserved(task):
    alone = dict(Sequential().run(task, trials))
    limit = int(_status("VmSize")) + 120 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    choice, engine = choose_engine(task, trials, "vectorised")
    for name, runner in [("measured", engine), ("halved", Vectorised())]:
        curves = dict(runner.run(task, trials))
        results[name] = {
            "alike": all(np.allclose(curves[t].loss, alone[t].loss, rtol=1e-4) for t in trials),
            "notes": list(runner.notes),
        }
print(json.dumps(results | {"width": choice.width, "reason": choice.reason}))
"""


@pytest.fixture(scope="module")
def limited():
    done = finished_warm(LIMITED)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_stack_is_as_wide_as_memory_allows(limited):
    assert 1 < limited["width"] < 24
    assert limited["reason"].startswith("as requested; 24 trials at once need about 0.")
    assert "GiB are free" in limited["reason"]
    assert limited["measured"]["alike"]
    assert not any("one after another" in note for note in limited["measured"]["notes"])


def test_out_of_memory_halves_a_stack_and_continues(limited):
    assert limited["halved"]["alike"]
    assert (
        "24 trials did not fit into memory at once; continued with 12"
        in limited["halved"]["notes"]
    )


def test_a_small_model_is_not_limited():
    task = quadratic_task()
    trial = Trial((0.01 * schedule("linear()")).over(10), 0)
    before = torch.get_rng_state()
    memory = measure_stack_memory(task, trial, 64)
    assert memory.widest(64) == 64
    assert torch.equal(before, torch.get_rng_state())


def test_unknown_memory_limits_nothing():
    assert StackMemory(needed=1e9, free=None).widest(64) == 64
    assert StackMemory(needed=0.0, free=1e9).widest(64) == 64
    assert StackMemory(needed=1e12, free=1e9).widest(64) == 1


def test_available_memory_is_that_of_this_process():
    assert 0 < available_memory() < 2**50


def test_torchs_own_message_is_known():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**50)
    assert is_out_of_memory(raised.value)
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def test_a_shortage_names_the_memory_that_is_needed_and_that_is_free():
    memory = StackMemory(needed=2.0**30, free=2.0**29)
    assert memory.shortage(4) == "4 trials at once need about 4 GiB, and 0.5 GiB are free"
