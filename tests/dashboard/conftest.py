"""Shared by the tests of the dashboard: a store with runs, and a server for it."""

import pytest
from served import HOSTILE, recorded, serving

from learnrate.store import Store
from learnrate.watch import Finding, Severity


@pytest.fixture(autouse=True, scope="session")
def _own_secret(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A store, and the ids of its runs by a word for each."""
    store = Store(tmp_path_factory.mktemp("store") / "runs.db")
    ids = {
        "hostile": recorded(store, HOSTILE),
        "diverged": recorded(store, "bad", status="diverged"),
    }
    finding = Finding(
        code="LR101",
        severity=Severity.WARNING,
        step=300,
        message=f"the loss says {HOSTILE}",
        evidence={"share": 0.5},
        remedy="Halve the rate.",
    )
    store.add_finding(ids["hostile"], finding)
    return store, ids


@pytest.fixture(scope="session")
def served(runs):
    with serving(runs[0]) as dashboard:
        yield dashboard
