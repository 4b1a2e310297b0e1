"""Processes of this machine: the same curves, also when one of them dies."""

import itertools
import os
import platform
import resource
import signal
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from engine_task import assert_alike, make_task, make_trials, run_all
from torch import nn

from learnrate.trials import Sequential, Status, Vectorised, choose_engine
from learnrate.trials import _auto as auto
from learnrate.trials._engines import split_into_stacks
from learnrate.trials._processes import Forked, available_cores, in_processes
from processes import HANG, wait_until
from warm import started_warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks safely enough")


@pytest.mark.parametrize("engine", [Sequential, Vectorised])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_same_seed_gives_the_same_curve(engine, width):
    trials = make_trials(rates=(0.001, 0.01, 1e38))
    stacks = split_into_stacks(trials, width)
    assert sorted(map(id, itertools.chain.from_iterable(stacks))) == sorted(map(id, trials))
    forked = Forked(engine, width, 2)
    assert_alike(run_all(make_task(), forked, trials), run_all(make_task(), Sequential(), trials))
    assert forked.notes == []


def test_progress_counts_every_update():
    def slow(model, batch):
        time.sleep(0.01)
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    trials, ended, counts = make_trials(), 0, []

    def count(updates, stage):
        counts.append(ended + updates)

    for trial, _ in Forked(Sequential, 1, 2).run(make_task(loss=slow), trials, count):
        ended += trial.total_steps
    assert ended == sum(trial.total_steps for trial in trials)
    assert max(counts) <= ended
    assert len({updates for updates in counts if updates % 25}) > 1


def test_trials_that_a_killed_process_did_not_finish_run_in_this_one():
    home = os.getpid()

    def deadly(model, batch):
        if os.getpid() != home and float(model[0].weight.detach().abs().max()) > 1.5:
            os.kill(os.getpid(), signal.SIGKILL)
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    trials = make_trials(rates=(0.001, 0.01, 3.0))
    engine = Forked(Sequential, 1, 2)
    expected = run_all(make_task(), Sequential(), trials)
    assert_alike(run_all(make_task(loss=deadly), engine, trials), expected)
    assert engine.notes == ["2 trials ran one after another, because their process died"]


def test_a_trial_that_raises_fails_alone():
    def fails(model, batch):
        if float(model[0].weight.detach().abs().max()) > 1.5:
            raise ValueError("bad record")
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    trials = make_trials(rates=(0.001, 3.0))
    curves = run_all(make_task(loss=fails), Forked(Sequential, 1, 2), trials)
    ends = [(curves[trial].status, curves[trial].error) for trial in trials]
    assert ends == [(Status.FINISHED, ""), (Status.FAILED, "ValueError: bad record")] * 2


def test_notes_come_back():
    def branches(model, batch):
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        return loss if float(loss.detach()) > 0 else -loss

    trials = make_trials()
    engine = Forked(Vectorised, 3, 2)
    run_all(make_task(loss=branches), engine, trials)
    assert len(engine.notes) == 2
    assert all("ran one after another" in note for note in engine.notes)


def test_ctrl_c_ends_every_process_at_once(tmp_path):
    code = textwrap.dedent("""
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
    marks = tmp_path / "marks"
    marks.mkdir()
    with started_warm(code, marks) as job:
        wait_until(lambda: len(list(marks.iterdir())) == 2, job)
        children = [int(path.name) for path in marks.iterdir()]
        job.send_signal(signal.SIGINT)
        _, errors = job.communicate(timeout=HANG)
        assert errors.strip().endswith("KeyboardInterrupt")
        for child in children:
            with pytest.raises(ProcessLookupError):
                os.kill(child, 0)


def test_a_function_in_several_processes_at_once():
    results = in_processes(lambda: (os.getpid(), torch.get_num_threads()), 2)
    assert len({pid for pid, _ in results} - {os.getpid()}) == 2
    assert {threads for _, threads in results} == {1}
    with pytest.raises(RuntimeError, match="without a result"):
        in_processes(lambda: 1 / 0, 2)


@pytest.mark.skipif(available_cores() < 2, reason="there is one core")
def test_auto_measures_processes_and_may_take_them(monkeypatch):
    monkeypatch.setattr(auto, "_SHORT", 0.0)
    trials = make_trials(rates=tuple(np.geomspace(0.001, 0.1, 8)), steps=4000)
    choice, engine = choose_engine(make_task(), trials, "auto")
    cores = available_cores()
    assert {(1, 1), (8, 1), (1, cores)} <= {
        (timing.width, timing.processes) for timing in choice.timings
    }
    chosen = next(
        timing
        for timing in choice.timings
        if (timing.width, timing.processes, timing.threads)
        == (choice.width, choice.processes, choice.threads)
    )
    alone = choice.timings[0]
    assert auto._expected_seconds(chosen, trials, 0.0) <= auto._expected_seconds(
        alone, trials, 0.0
    )
    assert engine.name == choice.engine


def test_expected_time_is_that_of_the_process_that_ends_last():
    trials = make_trials(rates=(0.01, 0.1, 1.0), seeds=(0,), steps=10)
    alone = auto.Timing("sequential", 1, 1, 0.5)
    assert auto._expected_seconds(alone, trials, 7.0) == 15.0
    two = auto.Timing("sequential", 1, 1, 0.5, processes=2)
    assert auto._expected_seconds(two, trials, 7.0) == 17.0
    stack = auto.Timing("vectorised", 2, 1, 0.25, processes=2)
    assert auto._expected_seconds(stack, trials, 0.0) == 5.0


def page_faults_of_freed_tensors():
    """Page faults per round of allocating and freeing 64 MiB, once memory has been reserved."""
    rounds = 10
    for round_number in range(2 * rounds):
        if round_number == rounds:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        del [torch.ones(2**22) for _ in range(4)][:]
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / rounds


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_a_process_reuses_the_memory_that_it_frees():
    assert max(in_processes(page_faults_of_freed_tensors, 2)) < 50
