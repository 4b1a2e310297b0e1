"""Processes of this machine: the same curves, also when one of them dies."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from engine_task import assert_alike, curves, task, trials
from torch import nn

from learnrate.trials import Sequential, Status, Vectorised, choose_engine
from learnrate.trials import _auto as auto
from learnrate.trials._parts import parts_of
from learnrate.trials._processes import Forked, available_cores, in_processes
from processes import HANG, started, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks safely enough")


@pytest.mark.parametrize("engine", [Sequential, Vectorised])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_same_seed_gives_the_same_curve(engine, width):
    asked = trials(rates=(0.001, 0.01, 1e6))
    parts = parts_of(asked, width)
    assert sorted(map(id, itertools.chain.from_iterable(parts))) == sorted(map(id, asked))
    forked = Forked(engine, width, 2)
    assert_alike(curves(task(), forked, asked), curves(task(), Sequential(), asked))
    assert forked.notes == []


def test_progress_counts_every_update():
    def slow(model, batch):
        time.sleep(0.01)
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    asked, ended, seen = trials(), 0, []

    def observe(going, stage):
        seen.append(ended + going)

    for trial, _ in Forked(Sequential, 1, 2).run(task(loss=slow), asked, observe):
        ended += trial.total_steps
    assert ended == sum(trial.total_steps for trial in asked)
    assert max(seen) <= ended
    assert len({value for value in seen if value % 25}) > 1


def test_what_a_killed_process_had_not_ended_runs_in_this_one():
    home = os.getpid()

    def deadly(model, batch):
        if os.getpid() != home and float(model[0].weight.detach().abs().max()) > 1.5:
            os.kill(os.getpid(), signal.SIGKILL)
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    asked = trials(rates=(0.001, 0.01, 3.0))
    engine = Forked(Sequential, 1, 2)
    expected = curves(task(), Sequential(), asked)
    assert_alike(curves(task(loss=deadly), engine, asked), expected)
    assert engine.notes == ["2 trials ran one after another: the process they were in died"]


def test_a_trial_that_raises_fails_alone():
    def fails(model, batch):
        if float(model[0].weight.detach().abs().max()) > 1.5:
            raise ValueError("theirs")
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    asked = trials(rates=(0.001, 3.0))
    made = curves(task(loss=fails), Forked(Sequential, 1, 2), asked)
    ends = [(made[trial].status, made[trial].error) for trial in asked]
    assert ends == [(Status.FINISHED, ""), (Status.FAILED, "ValueError: theirs")] * 2


def test_notes_come_back():
    def branches(model, batch):
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        return loss if float(loss.detach()) > 0 else -loss

    asked = trials()
    engine = Forked(Vectorised, 3, 2)
    curves(task(loss=branches), engine, asked)
    assert len(engine.notes) == 2
    assert all("ran one after another" in note for note in engine.notes)


def test_ctrl_c_ends_every_process_at_once(tmp_path):
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent("""
        import os, pathlib, sys, time
        from learnrate.testing import quadratic_task
        from learnrate import Task, schedule
        from learnrate.trials import Sequential, Trial
        from learnrate.trials._processes import Forked

        task = quadratic_task(total_steps=5)

        def validate(model):
            (pathlib.Path(sys.argv[1]) / str(os.getpid())).touch()
            time.sleep(600)

        task = Task(model=task.model, loss=task.loss, data=task.data, validate=validate)
        trials = [Trial((lr * schedule("linear()")).over(5), 0) for lr in (0.001, 0.01)]
        list(Forked(Sequential, 1, 2).run(task, trials))
        """)
    )
    marks = tmp_path / "marks"
    marks.mkdir()
    with started([sys.executable, script, marks], stderr=subprocess.PIPE, text=True) as job:
        wait_until(lambda: len(list(marks.iterdir())) == 2, job)
        children = [int(path.name) for path in marks.iterdir()]
        job.send_signal(signal.SIGINT)
        _, errors = job.communicate(timeout=HANG)
        assert errors.strip().endswith("KeyboardInterrupt")
        for child in children:
            with pytest.raises(ProcessLookupError):
                os.kill(child, 0)


def test_a_function_in_several_processes_at_once():
    here = os.getpid()
    found = in_processes(lambda: (os.getpid(), torch.get_num_threads()), 2)
    assert len({pid for pid, _ in found} - {here}) == 2
    assert {threads for _, threads in found} == {1}
    with pytest.raises(RuntimeError, match="without a result"):
        in_processes(lambda: 1 / 0, 2)


@pytest.mark.skipif(available_cores() < 2, reason="there is one core")
def test_auto_measures_processes_and_may_take_them(monkeypatch):
    monkeypatch.setattr(auto, "_SHORT", 0.0)
    asked = trials(rates=tuple(np.geomspace(0.001, 0.1, 8)), steps=4000)
    choice, engine = choose_engine(task(), asked, "auto")
    cores = available_cores()
    assert {(1, 1), (8, 1), (1, cores)} <= {(one.width, one.processes) for one in choice.timings}
    taken = next(
        one
        for one in choice.timings
        if (one.width, one.processes, one.threads)
        == (choice.width, choice.processes, choice.threads)
    )
    alone = choice.timings[0]
    assert auto._expected(taken, asked, 0.0) <= auto._expected(alone, asked, 0.0)
    assert engine.name == choice.engine


def test_expected_time_is_that_of_the_process_that_ends_last():
    asked = trials(rates=(0.01, 0.1, 1.0), seeds=(0,), steps=10)
    alone = auto.Timing("sequential", 1, 1, 0.5)
    assert auto._expected(alone, asked, 7.0) == 15.0
    both = auto.Timing("sequential", 1, 1, 0.5, processes=2)
    assert auto._expected(both, asked, 7.0) == 17.0
    stack = auto.Timing("vectorised", 2, 1, 0.25, processes=2)
    assert auto._expected(stack, asked, 0.0) == 5.0
