"""What a training uses of the machine is measured, rarely, and recorded with its rows."""

import time

import numpy as np
import torch

import learnrate
from learnrate.run import _recording
from learnrate.run._system_meter import SYSTEM_COLUMNS, SystemMeter


def test_a_busy_process_is_measured_at_most_once_in_its_interval():
    meter = SystemMeter(every=10.0)
    began, busy = meter._last
    assert meter.take(began + 9.9) == {}
    while time.process_time() - busy < 0.05:
        pass
    figures = meter.take(began + 10.0)
    used = time.process_time() - busy
    assert 0.005 <= figures["process_cores"] <= used / 10
    assert figures.get("process_memory", 1e7) > 1e6
    assert set(figures) <= set(SYSTEM_COLUMNS)
    assert meter.take(began + 19.9) == {}


def test_a_gpu_is_measured_where_there_is_one_and_its_driver_asked_only_while_it_answers(
    monkeypatch,
):
    requests = []

    def utilization():
        requests.append(1)
        if len(requests) > 1:
            raise ModuleNotFoundError("nvidia-ml-py")
        return 75

    meter = SystemMeter(every=1.0)
    began, _ = meter._last
    assert not {"gpu_memory", "gpu_busy"} & set(SystemMeter(every=1.0).take(began + 9))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 512)
    monkeypatch.setattr(torch.cuda, "utilization", utilization)
    monkeypatch.setattr(torch.cuda, "synchronize", None)  # it is never called
    taken = [meter.take(began + second) for second in (2, 4, 6)]
    assert [figures["gpu_memory"] for figures in taken] == [512.0] * 3
    assert [figures.get("gpu_busy") for figures in taken] == [0.75, None, None]
    assert len(requests) == 2


def test_the_measurements_are_columns_of_the_run_and_not_of_its_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(_recording, "SystemMeter", lambda: SystemMeter(every=1e-6))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    store = learnrate.Store(tmp_path / "a.db")
    run = learnrate.attach(optimizer, "0.1 * constant(5)", store=store.place)
    for _ in range(5):
        optimizer.step()
        run.step(1.0)
    run.finish()
    cores = store.points(run.id).columns["process_cores"]
    assert np.isfinite(cores).any()
    assert store.observations(run.id).step.tolist() == [0, 1, 2, 3, 4]
