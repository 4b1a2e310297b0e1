"""Lists of runs: what a search, a sort and a group choose, and labels with their undo."""

import operator

import numpy as np
import pytest

from learnrate import Store
from learnrate.store import (
    LabelChange,
    Lifecycle,
    ListedRun,
    Recorder,
    RunIndex,
    RunStatus,
    change_labels,
    check_field,
    differing_facts,
    grouped,
    listed,
    purge_runs,
)
from learnrate.watch import Finding, Severity

FINDING = Finding(
    code="LR101", severity=Severity.ERROR, step=0, message="", evidence={}, remedy=""
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs.db")


@pytest.fixture
def ids(store):
    """Four runs, by their names."""
    runs = {}
    for name, optimizer, batch, losses in [
        ("base", "AdamW", 64, [2.0, 0.5, 0.9]),
        ("wide net", "AdamW", 128, [2.0, 1.5]),
        ("odd", "SGD", 64, [-1.0, -3.0]),
        ("empty", "SGD", 64, []),
    ]:
        facts = {"optimizer": optimizer, "batch_size": batch, "seed": 0, "names": ["x" * 200]}
        runs[name] = store.new_run(name=name, total_steps=10, facts=facts)
        validation = {"validation": [np.nan] * (len(losses) - 1) + [losses[-1]]} if losses else {}
        store.write_points(runs[name], range(len(losses)), {"loss": losses, **validation})
        store.set_status(runs[name], "finished")
    store.add_finding(runs["wide net"], FINDING)
    store.add_finding(runs["wide net"], FINDING)
    return runs


def names(runs):
    return [listed_run.run.name for listed_run in runs]


SEARCHES = {
    "": ["empty", "odd", "wide net", "base"],
    "WIDE": ["wide net"],
    '"wide net"': ["wide net"],
    "adamw -wide": ["base"],
    "optimizer=sgd": ["empty", "odd"],
    "optimizer!=sgd": ["wide net", "base"],
    "batch_size>64": ["wide net"],
    "loss<=0.9": ["odd", "base"],
    "lowest_loss<0.9 lowest_loss>=0.5": ["base"],
    "validation=-3": ["odd"],
    "-loss<100": ["empty"],
    "LR101": ["wide net"],
    "findings:LR1": ["wide net"],
    "color=red": [],  # no field of any run, so plain text
    "=<>: - -- :=": [],
    '"': [],
    "[(\\": [],
}


def test_a_search_finds_what_is_shown_of_a_run(store, ids):
    runs = RunIndex(store).runs()
    assert {search: names(listed(runs, search=search)) for search in SEARCHES} == SEARCHES


def test_runs_are_sorted_by_any_field_and_those_without_a_value_come_last(store, ids):
    runs = RunIndex(store).runs()
    assert names(listed(runs, sort="loss")) == ["odd", "base", "wide net", "empty"]
    assert names(listed(runs, sort="-loss")) == ["wide net", "base", "odd", "empty"]
    assert names(listed(runs, sort="name")) == ["base", "empty", "odd", "wide net"]
    assert names(listed(runs, sort="-batch_size"))[0] == "wide net"
    change_labels(store, [LabelChange(run=ids["empty"], pinned=True)])
    assert names(listed(RunIndex(store).runs(), sort="loss"))[0] == "empty"
    with pytest.raises(ValueError, match="no run has the field 'colour'"):
        listed(runs, sort="colour")


def test_runs_are_grouped_and_their_differences_are_named(store, ids):
    runs = listed(RunIndex(store).runs(), sort="loss")
    groups = grouped(runs, "optimizer")
    assert [(group.value, names(group.runs)) for group in groups] == [
        ("SGD", ["odd", "empty"]),
        ("AdamW", ["base", "wide net"]),
    ]
    assert [group.lowest("lowest_loss") for group in groups] == [-3.0, 0.5]
    assert sorted(differing_facts(runs)) == ["batch_size", "optimizer"]
    assert grouped(runs, "names")[0].runs == tuple(runs)  # too long for a list
    with pytest.raises(ValueError, match="no run has the field 'names'"):
        check_field("names", runs)


def test_an_index_shows_every_change_at_once(store, ids):
    index = RunIndex(store)

    def values(field):
        return {run.run.name: run.value(field) for run in index.runs()}

    assert values("findings")["wide net"] == "LR101"
    store.add_finding(ids["base"], FINDING)
    assert values("findings")["base"] == "LR101"
    store.write_points(ids["base"], [3], {"loss": [0.25]})
    assert (values("loss")["base"], values("lowest_loss")["base"]) == (0.25, 0.25)
    change_labels(store, [LabelChange(run=ids["base"], tags=("old",))])
    store.set_status(ids["wide net"], "failed")
    assert (values("tags")["base"], values("status")["wide net"]) == ("old", "failed")
    store.delete_run(ids["odd"])
    run = store.new_run(name="new", facts={"seed": 7})
    assert set(values("seed")) == {"base", "wide net", "empty", "new"}
    assert values("seed")["new"] == 7
    assert index.runs() == [ListedRun(run=r.run, findings=r.findings) for r in index.runs()]
    assert store.run(run) == index.runs()[0].run


def test_the_lowest_losses_are_those_of_the_rows_that_are_valid(store):
    recorder = Recorder(store.url, names=("loss", "validation"))
    for step, loss in enumerate([3.0, 2.0, float("inf"), -5.0]):
        recorder.add((step, (loss, loss if step == 1 else None), None))
    assert recorder.flush()
    run = store.run(recorder.run)
    assert (run.loss, run.lowest_loss) == (-5.0, -5.0)
    assert (run.validation, run.lowest_validation) == (2.0, 2.0)
    recorder.begin_attempt(1, "rolled back")
    assert recorder.flush()
    run = store.run(recorder.run)
    assert (run.lowest_loss, run.validation, run.lowest_validation) == (3.0, None, None)
    recorder.add((1, (2.5, None), None))
    recorder.begin_attempt(1, "rolled back again")
    recorder.add((1, (2.75, None), None))
    recorder.close(RunStatus.FINISHED)
    assert store.run(recorder.run).lowest_loss == 2.75


def test_undoing_a_change_of_labels_restores_them(store, ids):
    before = store.runs()
    change = {"name": "new", "tags": ("b", "a", "b"), "note": "why", "pinned": True}
    changes = [LabelChange(run=run, **change) for run in ids.values()]
    changes.append(LabelChange(run=ids["odd"], lifecycle=Lifecycle.DELETED, name="twice"))
    undo = change_labels(store, changes)
    odd = store.run(ids["odd"])
    assert (odd.name, odd.tags, odd.note, odd.pinned) == ("twice", ("b", "a"), "why", True)
    assert (len(listed(RunIndex(store).runs())), store.resolve("last")) == (3, ids["empty"])
    redo = change_labels(store, undo)
    assert store.runs() == before
    change_labels(store, redo)
    assert store.run(ids["odd"]) == odd


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"name": " "}, "name must not be empty"),
        ({"name": "x" * 201}, "at most 200"),
        ({"tags": ("a,b",)}, "commas"),
        ({"tags": ("",)}, "tags must not be empty"),
        ({"note": "x" * 10_001}, "at most 10,000"),
    ],
)
def test_labels_that_cannot_be_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        LabelChange(run="kobu-zarite", **labels)


def test_labels_of_all_runs_change_or_of_none(store, ids):
    before = store.runs()
    with pytest.raises(ValueError, match="there is no run 'nobody'"):
        change_labels(store, [LabelChange(run=name, note="x") for name in (ids["odd"], "nobody")])
    assert store.runs() == before


def test_only_a_deleted_run_that_has_ended_is_purged(store, ids):
    with pytest.raises(ValueError, match="must be deleted before"):
        purge_runs(store, [ids["odd"]])
    change_labels(store, [LabelChange(run=ids["odd"], lifecycle=Lifecycle.DELETED)])
    live = store.new_run()
    change_labels(store, [LabelChange(run=live, lifecycle=Lifecycle.DELETED)])
    with pytest.raises(ValueError, match="is running"):
        purge_runs(store, [ids["odd"], live])
    assert len(store.points(ids["odd"]).step) == 2
    purge_runs(store, [ids["odd"]])
    assert ids["odd"] not in map(operator.attrgetter("id"), store.runs())
    assert len(store.points(ids["odd"]).step) == 0
