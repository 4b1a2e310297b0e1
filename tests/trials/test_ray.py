"""Ray: the same curves on a real cluster of two nodes, also when one of them is killed."""

import faulthandler
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from engine_task import X, Y, assert_alike, make_task, make_trials, run_all
from torch import nn

from learnrate import ArgumentError, RayEngine, TaskError
from learnrate.sweeping import JOURNAL_NAME, sweep
from learnrate.trials import Sequential, Status, choose_engine
from needed import needed
from processes import HANG, started, wait_until

ray = needed("ray")
ray_clusters = needed("ray.cluster_utils")


@pytest.fixture(scope="module")
def cluster():
    cluster = ray_clusters.Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "object_store_memory": 80_000_000,
            "include_dashboard": False,
        },
    )
    cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def test_the_same_seed_gives_the_same_curve(cluster):
    trials = make_trials(rates=(0.001, 0.01, 1e38))
    engine = RayEngine(cluster.address)
    assert_alike(run_all(make_task(), engine, trials), run_all(make_task(), Sequential(), trials))
    assert engine.notes == []
    assert not ray.is_initialized()


@pytest.fixture(scope="class")
def connection(cluster):
    """One connection for all tests of a class, whose workers are started once."""
    ray.init(cluster.address, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.usefixtures("connection")
class TestARayThatRunsAlready:
    def test_a_running_ray_cluster_is_used_and_left_running(self):
        trials = make_trials(rates=(0.001, 0.01, 1e38))
        engine = RayEngine(width=3)
        assert_alike(
            run_all(make_task(), engine, trials), run_all(make_task(), Sequential(), trials)
        )
        assert engine.notes == []
        assert ray.is_initialized()

    def test_a_trial_that_raises_fails_alone_and_is_not_repeated(self, tmp_path):
        def fails(model, batch):
            if float(model[0].weight.detach().abs().max()) > 1.5:
                with (tmp_path / "raised").open("a") as file:
                    file.write("x")
                raise ValueError("bad record")
            return nn.functional.cross_entropy(model(batch[0]), batch[1])

        trials = make_trials(rates=(0.001, 3.0), seeds=(0,))
        curves = run_all(make_task(loss=fails), RayEngine(), trials)
        assert [curves[trial].status for trial in trials] == [Status.FINISHED, Status.FAILED]
        assert curves[trials[1]].error == "ValueError: bad record"
        assert (tmp_path / "raised").read_text() == "x"

    def test_a_worker_that_always_dies_is_a_failed_trial(self):
        home = os.getpid()

        def deadly(model, batch):
            if os.getpid() != home:
                os.kill(os.getpid(), signal.SIGKILL)
            return nn.functional.cross_entropy(model(batch[0]), batch[1])

        curves = run_all(make_task(loss=deadly), RayEngine(), make_trials((0.01,), (0,)))
        (only,) = curves.values()
        assert only.status is Status.FAILED
        assert only.error.startswith("WorkerCrashedError")

    def test_the_users_own_modules_are_sent_with_the_task(self, tmp_path, monkeypatch):
        (tmp_path / "user_losses.py").write_text(
            "from torch import nn\ndef loss(m, b):\n    return nn.functional.cross_entropy(m(b[0]), b[1])\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        import user_losses

        trials = make_trials(seeds=(0,))
        curves = run_all(make_task(loss=user_losses.loss), RayEngine(), trials)
        assert_alike(curves, run_all(make_task(), Sequential(), trials))

    def test_the_sweep_streams_into_its_journal(self, tmp_path):
        swept = sweep(
            make_task(),
            [0.001, 0.01, 0.1],
            seeds=2,
            total_steps=25,
            engine=RayEngine(),
            out=tmp_path,
            progress=False,
        )
        assert swept.engine == "ray"
        assert swept.choice.reason.startswith("as requested, one trial in each task")
        assert (tmp_path / JOURNAL_NAME).read_bytes().count(b"\n") == 6


def test_a_node_killed_in_the_middle_loses_nothing(cluster, tmp_path):
    """The second node dies, with what it runs, once it has begun; a third is not there."""
    doomed = cluster.add_node(num_cpus=2, object_store_memory=80_000_000)
    cluster.wait_for_nodes()
    places = tmp_path / "places"
    places.mkdir()

    doomed_id = doomed.node_id

    def validate(model):
        import ray

        node = ray.get_runtime_context().get_node_id()
        (places / f"{node}-{os.getpid()}-{time.monotonic_ns()}").touch()
        time.sleep(HANG if node == doomed_id else 0.3)  # no trial of the second node ends
        return float(nn.functional.cross_entropy(model(X), Y))

    def kill():
        wait_until(lambda: any(places.glob(f"{doomed_id}-*")))
        cluster.remove_node(doomed, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    trials = make_trials(rates=tuple(np.geomspace(0.001, 0.1, 12)), seeds=(0,))
    curves = run_all(make_task(validate=validate), RayEngine(cluster.address), trials)
    killer.join()
    assert_alike(curves, run_all(make_task(), Sequential(), trials))
    assert len(list(places.iterdir())) > 12  # some ran twice


CTRL_C = """
import os, pathlib, sys, time
from learnrate import RayEngine
from learnrate.cli import main
sys.argv = ["learnrate", "sweep", f"{sys.argv[1]}/user_task.py:task", "--lr", "0.001,0.01,0.1",
            "--seeds", "2", "--total-steps", "5", "--engine", "ray", "--address", sys.argv[2],
            "--out", f"{sys.argv[1]}/out"]
main()
"""


def test_ctrl_c_cancels_and_keeps_what_has_ended(cluster, tmp_path):
    (tmp_path / "user_task.py").write_text(
        textwrap.dedent(f"""
        import pathlib, time
        from learnrate import Task
        from learnrate.testing import quadratic_task

        quadratic = quadratic_task()
        calls = pathlib.Path({str(tmp_path)!r}) / "calls"

        def validate(model):
            with calls.open("a") as file:
                file.write("x")
            time.sleep(0.05 if len(calls.read_text()) < 3 else 600)
            return quadratic.validate(model)

        task = Task(model=quadratic.model, loss=quadratic.loss, data=quadratic.data, validate=validate)
        """)
    )
    journal = tmp_path / "out" / JOURNAL_NAME
    command = [sys.executable, "-c", CTRL_C, str(tmp_path), cluster.address]
    with started(command, stderr=subprocess.PIPE, text=True) as job:
        wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 2, job)
        job.send_signal(signal.SIGINT)
        _, errors = job.communicate(timeout=HANG)
    assert job.returncode == 130
    printed = errors.splitlines()  # among lines of Ray's own
    assert any(line.startswith("interrupted; finished trials are kept") for line in printed)
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:9", "nothing answers at the Ray address '127.0.0.1:9'"),
        ("ray://127.0.0.1:9", "nothing answers"),
        ("somewhere", "host:port, ray://host:port or auto; got 'somewhere'"),
    ],
)
def test_an_address_where_nothing_answers(address, message):
    with pytest.raises(ArgumentError, match=message.replace("(", r"\(")):
        run_all(make_task(), RayEngine(address), make_trials())


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_an_address_where_something_else_answers(reply):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(reply)

        threading.Thread(target=answer, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ArgumentError, match="something other than Ray answers"):
            run_all(make_task(), RayEngine(address), make_trials())


def test_the_process_that_starts_ray_is_left_as_it_was(cluster):
    def handler(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGTERM, handler)
    dumps, settings = faulthandler.is_enabled(), dict(os.environ)
    try:
        run_all(make_task(), RayEngine(cluster.address), make_trials((0.01,), (0,)))
        assert signal.getsignal(signal.SIGTERM) is handler
        assert faulthandler.is_enabled() is dumps
        assert dict(os.environ) == settings
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    "changes", [{"cpus": 0}, {"cpus": float("nan")}, {"gpus": -1}, {"gpus": 1.5}]
)
def test_resources_outside_their_rule(changes):
    with pytest.raises(ArgumentError, match=f"{next(iter(changes))} "):
        RayEngine(**changes)


def test_no_room_for_one_task(cluster):
    with pytest.raises(
        ArgumentError, match=r"no room on the Ray cluster .* Give lower cpus or gpus"
    ):
        run_all(make_task(), RayEngine(cluster.address, gpus=1), make_trials())


def test_a_task_that_cannot_be_sent():
    lock = threading.Lock()

    def loss(model, batch):
        with lock:
            return nn.functional.cross_entropy(model(batch[0]), batch[1])

    with pytest.raises(TaskError, match=r"cannot be sent to Ray's workers: TypeError.*lock"):
        run_all(make_task(loss=loss), RayEngine("127.0.0.1:9"), make_trials())


def test_ray_is_requested_by_name_and_never_chosen():
    choice, engine = choose_engine(make_task(), make_trials(), "ray")
    assert engine == RayEngine()
    assert choice.engine == "ray"
