"""The contract of the API, over a real connection."""

import http.client
import json
import threading
import time

import numpy as np
import pytest
from served import HOSTILE, TOTAL, recorded, serving

from learnrate.store import EditStatus, Store
from processes import HANG


@pytest.fixture
def live(runs):
    store = runs[0]
    run = recorded(store, "live", status="running")
    store.add_snapshot(run, 500, "memory")
    yield run
    store.delete_run(run)


def test_runs_are_listed_the_newest_first_as_in_the_store(served, runs):
    status, listed = served.ask("/api/runs")
    assert status == 200
    assert [run["run"] for run in listed["runs"]] == [run.id for run in runs[0].runs()]
    assert listed["matches"] == len(listed["runs"])
    hostile = next(run for run in listed["runs"] if run["run"] == runs[1]["hostile"])
    assert hostile["name"] == HOSTILE
    assert (hostile["status"], hostile["step"], hostile["total_steps"]) == (
        "finished",
        1000,
        TOTAL,
    )


@pytest.mark.parametrize(
    ("query", "names"),
    [("search=bad", ["bad"]), ("status=diverged", ["bad"]), ("search=none+such", [])],
)
def test_runs_are_found_by_words_and_status(served, query, names):
    assert [run["name"] for run in served.ask(f"/api/runs?{query}")[1]["runs"]] == names


def test_labels_are_set_undone_and_purged(served, runs):
    store = runs[0]
    run = recorded(store, "labelled", rows=3)
    changes = [{"run": run, "tags": ["a"], "note": HOSTILE, "lifecycle": "deleted"}]
    status, response = served.ask("/api/labels", "POST", {"changes": changes})
    assert (status, store.run(run).tags) == (200, ("a",))
    assert run not in [listed["run"] for listed in served.ask("/api/runs")[1]["runs"]]
    deleted = served.ask("/api/runs?lifecycle=deleted&sort=loss")[1]["runs"]
    assert [(listed["run"], listed["note"]) for listed in deleted] == [(run, HOSTILE)]
    assert deleted[0]["facts"]["optimizer"] == "AdamW"
    served.ask("/api/labels", "POST", {"changes": response["undo"]})
    assert (store.run(run).tags, store.run(run).lifecycle) == ((), "active")
    assert served.ask("/api/purge", "POST", {"runs": [run]})[0] == 409
    nobody = [{"run": run, "note": "x"}, {"run": "nobody", "note": "x"}]
    assert served.ask("/api/labels", "POST", {"changes": nobody})[0] == 409
    assert store.run(run).note == ""
    served.ask("/api/labels", "POST", {"changes": changes})
    assert served.raw("POST", "/api/purge", served.bearer, {"runs": [run]})[0] == 204
    assert run not in [stored.id for stored in store.runs()]
    assert served.ask("/api/runs?sort=colour")[0] == 422


def test_the_chosen_runs_are_exported(served, runs):
    _, headers, text = served.raw("GET", f"/api/export?run={runs[1]['diverged']}", served.bearer)
    assert headers["content-type"].startswith("text/csv")
    assert [line.split(",")[:3] for line in text.splitlines()] == [
        ["run", "status", "name"],
        [runs[1]["diverged"], "diverged", "bad"],
    ]
    exported = served.ask("/api/export?json=true&search=bad")[1]
    assert [run["name"] for run in exported] == ["bad"]


def test_a_run_comes_with_its_findings_and_its_schedule(served, runs):
    status, detail = served.ask(f"/api/runs/{runs[1]['hostile']}")
    assert status == 200
    assert detail["schedule"] == "1e-3 * warmup(100) >> cosine(1900)"
    (finding,) = detail["findings"]
    assert (finding["code"], finding["severity"], finding["step"]) == ("LR101", "warning", 300)
    assert detail["limits"] == {"highest": 0.01, "factor": 50.0}


def test_curves_are_the_recorded_numbers_between_two_steps(served, runs):
    run = runs[1]["hostile"]
    query = "column=loss&column=validation&first=100&last=299&points=500"
    status, response = served.ask(f"/api/runs/{run}/curves?{query}")
    points = runs[0].points(run)
    assert status == 200
    assert (response["rows"], response["first"], response["last"]) == (200, 0, 999)
    assert response["curves"]["loss"]["step"] == list(range(100, 300))
    assert response["curves"]["loss"]["value"] == points.columns["loss"][100:300].tolist()
    assert response["curves"]["validation"] == {"step": [100, 200], "value": [0.4, 0.4]}


def test_the_table_has_the_numbers_of_the_curves(served, runs):
    table = served.ask(f"/api/runs/{runs[1]['hostile']}/table?rows=3")[1]
    assert [row[0] for row in table["rows"]] == [0, 500, 999]
    assert table["columns"][:3] == ["step", "lr", "loss"]


def test_the_preview_has_the_rates_of_the_schedule_with_and_without_the_edit(served, runs, live):
    planned = runs[0].run(live).schedule(np.arange(1000, TOTAL))
    preview = served.ask(f"/api/runs/{live}/preview?kind=scale&value=0.5&points=1000")[1]
    assert preview["step"] == list(range(1000, TOTAL))
    assert preview["before"] == planned.tolist()
    assert preview["after"] == pytest.approx((planned / 2).tolist())
    shorter = served.ask(f"/api/runs/{live}/preview?kind=decay&value=200&points=1000")[1]
    assert shorter["after_step"][-1] == 1199
    refused = served.ask(f"/api/runs/{live}/preview?kind=scale&value=20")[1]
    assert refused["after"] is None
    assert "0.01" in refused["refused"]


def test_the_preview_of_an_undo_is_of_the_group_whose_edit_it_takes_back(served, runs, live):
    planned = runs[0].run(live).schedule(np.arange(1000, TOTAL))
    nothing = served.ask(f"/api/runs/{live}/preview?kind=undo")[1]
    assert nothing["refused"] == "there is no edit of the rate to undo."
    runs[0].add_edit(live, "scale", 0.5, group=0, author="ann")
    preview = served.ask(f"/api/runs/{live}/preview?kind=undo&points=1000")[1]
    assert preview["before"] == pytest.approx((planned / 2).tolist())
    assert preview["after"] == planned.tolist()


def test_an_edit_is_in_the_store_when_the_response_comes(served, runs, live):
    body = {"kind": "scale", "value": 0.5, "reason": f"flat {HOSTILE}", "author": "ann"}
    status, response = served.ask(f"/api/runs/{live}/edits", "POST", body)
    (stored,) = runs[0].edits(live)
    assert status == 201
    assert (stored.kind, stored.value, stored.author) == ("scale", 0.5, "ann")
    assert stored.reason == f"flat {HOSTILE}" == response["reason"]
    assert stored.status is EditStatus.PENDING
    anonymous = served.ask(f"/api/runs/{live}/edits", "POST", {"kind": "hold"})[1]
    assert (anonymous["author"], anonymous["sequence"]) == ("the owner", 2)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"kind": "scale", "value": -1}, 409, "above 0"),
        ({"kind": "scale"}, 409, "a factor"),
        ({"kind": "scale", "value": 20}, 409, "0.01 at most"),
        ({"kind": "scale", "value": 0.01}, 409, "factor of 50"),
        ({"kind": "rollback", "value": 7}, 409, "500"),
        ({"kind": "hold", "value": 1}, 409, "no value"),
        ({"kind": "scale", "value": 0.5, "group": 3}, 409, "group"),
        ({"kind": "fly"}, 422, "kind"),
        ({"kind": "scale", "value": "much"}, 422, "value"),
        ({"kind": "scale", "value": 0.5, "sudo": True}, 422, "sudo"),
        ({"kind": "scale", "value": 0.5, "reason": "x" * 3000}, 422, "reason"),
    ],
)
def test_an_edit_that_is_not_possible_is_refused_with_a_message_and_changes_nothing(
    served, live, body, status, message
):
    response = served.ask(f"/api/runs/{live}/edits", "POST", body)
    assert response[0] == status
    assert message in response[1]["error"]
    assert served.ask(f"/api/runs/{live}")[1]["edits"] == []


def test_an_edit_of_a_run_that_has_ended_is_refused(served, runs):
    status, response = served.ask(
        f"/api/runs/{runs[1]['diverged']}/edits", "POST", {"kind": "stop"}
    )
    assert (status, "diverged" in response["error"]) == (409, True)


@pytest.mark.parametrize("path", ["", "/curves?column=loss", "/table", "/preview"])
def test_a_run_that_does_not_exist_is_not_found(served, path):
    status, response = served.ask(f"/api/runs/no-such{path}")
    assert status == 404
    assert "no run" in response["error"]


def events(served, path, until):
    """The first event of a stream for which `until` is true."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=HANG)
    connection.request("GET", path, headers=served.bearer)
    response = connection.getresponse()
    assert response.headers["content-type"].startswith("text/event-stream")
    kind = None
    for line in response:
        name, _, text = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = text
        if name == "data" and until(kind, json.loads(text)):
            break
    connection.close()
    return kind, json.loads(text)


def test_a_change_of_a_run_is_sent_when_it_happens(served, runs, live):
    store = runs[0]
    write = threading.Timer(1.0, lambda: store.write_points(live, [1000], {"loss": [0.25]}))
    write.start()
    path = f"/api/runs/{live}/events"
    _, state = events(
        served, path, lambda kind, data: kind == "state" and data["run"]["step"] == 1001
    )
    assert state["run"]["loss"] == 0.25
    store.add_edit(live, "hold", author="bo")
    _, state = events(served, path, lambda kind, data: data.get("edits") == 1)
    assert state["answered"] == 0


def test_a_store_that_disappears_is_trouble_until_it_is_back(tmp_path):
    store = Store(tmp_path / "runs.db")
    run = recorded(store, "a")
    away = tmp_path / "away.db"
    with serving(store) as served:
        (tmp_path / "runs.db").rename(away)
        for log in tmp_path.glob("runs.db*"):
            log.rename(tmp_path / log.name.replace("runs", "away"))
        (tmp_path / "runs.db").mkdir()  # a folder cannot be opened as a store
        status, response = served.ask("/api/runs")
        assert (status, "store" in response["error"]) == (503, True)

        def restore():
            (tmp_path / "runs.db").rmdir()
            away.rename(tmp_path / "runs.db")

        threading.Timer(1.0, restore).start()
        kinds = []

        def is_state(kind, data):
            kinds.append(kind)
            return kind == "state"

        _, state = events(served, f"/api/runs/{run}/events", is_state)
    assert "trouble" in kinds
    assert state["run"]["run"] == run


def test_open_pages_do_not_keep_the_server_from_ending(tmp_path):
    store = Store(tmp_path / "runs.db")
    recorded(store, "a")
    with serving(store) as served:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=HANG)
        connection.request("GET", "/api/events", headers=served.bearer)
        response = connection.getresponse()
        assert response.readline() == b"event: alive\n"
        began = time.monotonic()
    assert time.monotonic() - began < HANG  # without the event it never ends
    assert response.read().count(b"event: state") == 1  # and then the end
    connection.close()
