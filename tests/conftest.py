"""Shared by all tests."""

import pytest
import torch

from learnrate.testing import quadratic_task


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def quadratic():
    return quadratic_task()
