"""Shared by all tests."""

import os
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from browsers import running_browser

# A shell that starts the suite in its background has it, and what it starts, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("KERAS_BACKEND", "torch")  # read once, when Keras is first imported
os.environ.pop("LEARNRATE_STORE", None)  # whose runs are not for tests
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

# These take the longest, most of it in processes that they start. Begun last, they would keep one
# worker busy while the others have nothing left to do.
BEGUN_FIRST = (
    "trials/test_ray.py",
    "test_docs.py",
    "dashboard/test_dashboard_in_browser.py",
    "scripts/test_scripts.py",
    "run/test_steer_processes.py",
    "examples/test_examples.py",
    "planning/test_plan.py",
    "trials/test_memory.py",
    "trials/test_torchrun.py",
    "sweeping/test_sweep.py",
    "claims/test_every_claim.py",
)

settings.register_profile(
    "learnrate",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
settings.load_profile("learnrate")


def pytest_collection_modifyitems(items):
    order = {Path(__file__).parent / name: place for place, name in enumerate(BEGUN_FIRST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def browser():
    with running_browser() as started:
        yield started
