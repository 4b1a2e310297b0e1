"""A stack is as wide as memory allows: measured under a real limit, in a process of its own."""

import json
import subprocess
import sys

import pytest
import torch

from learnrate import schedule
from learnrate.testing import quadratic_task
from learnrate.trials import Trial
from learnrate.trials._memory import (
    Room,
    available_memory,
    is_out_of_memory,
    measured_room,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")

LIMITED = """
import json, resource, sys
import numpy as np, torch
from torch import nn
from learnrate import Task, schedule
from learnrate.trials import Sequential, Trial, Vectorised, choose_engine, preserved
from learnrate.trials._memory import _status

torch.set_num_threads(1)
x = torch.randn(1024, 128)
task = Task(
    model=lambda: nn.Sequential(nn.Linear(128, 512), nn.Tanh(), nn.Linear(512, 512), nn.Tanh(),
                                nn.Linear(512, 1)),
    loss=nn.MSELoss(),
    data=[(x, x[:, :1])],
)
trials = [Trial((lr * schedule("linear()")).over(4), 0) for lr in np.geomspace(1e-4, 1e-2, 24)]
said = {}
with preserved(task):
    alone = dict(Sequential().run(task, trials))
    limit = int(_status("VmSize")) + 120 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    choice, engine = choose_engine(task, trials, "vectorised")
    for name, one in [("measured", engine), ("halved", Vectorised())]:
        curves = dict(one.run(task, trials))
        said[name] = {
            "alike": all(np.allclose(curves[t].loss, alone[t].loss, rtol=1e-4) for t in trials),
            "notes": list(one.notes),
        }
print(json.dumps(said | {"width": choice.width, "reason": choice.reason}))
"""


@pytest.fixture(scope="module")
def limited():
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_stack_is_as_wide_as_memory_allows(limited):
    assert 1 < limited["width"] < 24
    assert limited["reason"].startswith("as asked; 24 trials at once need about 0.")
    assert "GiB are free" in limited["reason"]
    assert limited["measured"]["alike"]
    assert not any("one after another" in note for note in limited["measured"]["notes"])


def test_out_of_memory_halves_a_stack_and_goes_on(limited):
    assert limited["halved"]["alike"]
    assert (
        "24 trials did not fit into memory at once; went on with 12" in limited["halved"]["notes"]
    )


def test_a_small_model_is_not_held_back():
    task = quadratic_task()
    trial = Trial((0.01 * schedule("linear()")).over(10), 0)
    before = torch.get_rng_state()
    room = measured_room(task, trial, 64)
    assert room.widest(64) == 64
    assert torch.equal(before, torch.get_rng_state())


def test_where_nothing_can_be_told_nothing_is_held_back():
    assert Room(needed=1e9, free=None).widest(64) == 64
    assert Room(needed=0.0, free=1e9).widest(64) == 64
    assert Room(needed=1e12, free=1e9).widest(64) == 1


def test_available_memory_is_that_of_this_process():
    assert 0 < available_memory() < 2**50


def test_torchs_own_message_is_known():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**50)
    assert is_out_of_memory(raised.value)
    assert not is_out_of_memory(RuntimeError("shapes differ"))
