"""Shared by all tests."""

import os
import signal

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

settings.register_profile(
    "learnrate",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
settings.load_profile("learnrate")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def browser():
    with running_browser() as started:
        yield started
