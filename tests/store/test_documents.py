"""Plans and sweeps in a store."""

import pytest

from learnrate import ArgumentError, Store
from learnrate.store import merge

PLAN = {"format": "learnrate.plan", "task": "a", "peak": 0.1}
SWEEP = {"task": "b", "trials": [{"lr": 0.1, "loss": None}]}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs.db")
    for _ in range(2):  # the second time it is there already
        store.add_document("plan", PLAN, {"N": 10})
        store.add_document("sweep", SWEEP)
    return store


def test_a_document_is_kept_once_with_its_facts(store):
    plan, sweep = sorted(store.documents(), key=lambda document: document.kind)
    assert (plan.kind, plan.task, plan.facts, plan.content) == ("plan", "a", {"N": 10}, PLAN)
    assert (sweep.kind, sweep.task, sweep.facts, sweep.content) == ("sweep", "b", {}, SWEEP)


def test_documents_are_chosen_by_kind_and_task(store):
    assert store.plans() == store.plans("a") == [PLAN]
    assert store.plans("b") == []
    assert [document.content for document in store.documents(task="b")] == [SWEEP]


def test_merging_stores_copies_documents_once(store, tmp_path):
    target = Store(tmp_path / "all.db")
    for _ in range(2):
        merge(store, target)
    assert target.documents() == store.documents()


def test_what_is_not_json_of_a_task_is_refused(store):
    with pytest.raises(ArgumentError, match=r"a plan must be JSON values.*not JSON compliant"):
        store.add_document("plan", {"task": "a", "peak": float("nan")})
    with pytest.raises(ArgumentError, match="the name of its task"):
        store.add_document("plan", {"peak": 0.1})
