"""The contract of the API, asked over a real connection."""

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


def test_runs_are_listed_the_newest_first_as_the_store_has_them(served, runs):
    status, found = served.ask("/api/runs")
    assert status == 200
    assert [one["run"] for one in found["runs"]] == [run.id for run in runs[0].runs()]
    assert found["found"] == len(found["runs"])
    hostile = next(one for one in found["runs"] if one["run"] == runs[1]["hostile"])
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
    assert [one["name"] for one in served.ask(f"/api/runs?{query}")[1]["runs"]] == names


def test_a_run_comes_with_its_findings_and_its_schedule(served, runs):
    status, found = served.ask(f"/api/runs/{runs[1]['hostile']}")
    assert status == 200
    assert found["schedule"] == "1e-3 * warmup(100) >> cosine(1900)"
    (finding,) = found["findings"]
    assert (finding["code"], finding["severity"], finding["step"]) == ("LR101", "warning", 300)
    assert found["limits"] == {"highest": 0.01, "factor": 50.0}


def test_curves_are_the_recorded_numbers_between_the_steps_asked_for(served, runs):
    run = runs[1]["hostile"]
    query = "column=loss&column=validation&first=100&last=299&points=500"
    status, found = served.ask(f"/api/runs/{run}/curves?{query}")
    points = runs[0].points(run)
    assert status == 200
    assert (found["rows"], found["first"], found["last"]) == (200, 0, 999)
    assert found["curves"]["loss"]["step"] == list(range(100, 300))
    assert found["curves"]["loss"]["value"] == points.columns["loss"][100:300].tolist()
    assert found["curves"]["validation"] == {"step": [100, 200], "value": [0.4, 0.4]}


def test_the_table_has_the_numbers_of_the_curves(served, runs):
    found = served.ask(f"/api/runs/{runs[1]['hostile']}/table?rows=3")[1]
    assert [row[0] for row in found["rows"]] == [0, 500, 999]
    assert found["columns"][:3] == ["step", "lr", "loss"]


def test_the_rates_ahead_are_those_of_the_schedule_with_and_without_the_edit(served, runs, live):
    planned = runs[0].run(live).schedule(np.arange(1000, TOTAL))
    found = served.ask(f"/api/runs/{live}/ahead?kind=scale&value=0.5&points=1000")[1]
    assert found["step"] == list(range(1000, TOTAL))
    assert found["before"] == planned.tolist()
    assert found["after"] == pytest.approx((planned / 2).tolist())
    shorter = served.ask(f"/api/runs/{live}/ahead?kind=decay&value=200&points=1000")[1]
    assert shorter["after_step"][-1] == 1199
    refused = served.ask(f"/api/runs/{live}/ahead?kind=scale&value=20")[1]
    assert refused["after"] is None
    assert "0.01" in refused["refused"]


def test_an_edit_is_in_the_store_when_the_answer_comes(served, runs, live):
    body = {"kind": "scale", "value": 0.5, "reason": f"flat {HOSTILE}", "author": "ann"}
    status, found = served.ask(f"/api/runs/{live}/edits", "POST", body)
    (stored,) = runs[0].edits(live)
    assert status == 201
    assert (stored.kind, stored.value, stored.author) == ("scale", 0.5, "ann")
    assert stored.reason == f"flat {HOSTILE}" == found["reason"]
    assert stored.status is EditStatus.PENDING
    anonymous = served.ask(f"/api/runs/{live}/edits", "POST", {"kind": "hold"})[1]
    assert (anonymous["author"], anonymous["sequence"]) == ("the owner", 2)


@pytest.mark.parametrize(
    ("body", "status", "said"),
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
def test_an_edit_out_of_bounds_is_refused_in_words_and_changes_nothing(
    served, live, body, status, said
):
    found = served.ask(f"/api/runs/{live}/edits", "POST", body)
    assert found[0] == status
    assert said in found[1]["error"]
    assert served.ask(f"/api/runs/{live}")[1]["edits"] == []


def test_an_edit_for_a_run_that_has_ended_says_so(served, runs):
    status, found = served.ask(f"/api/runs/{runs[1]['diverged']}/edits", "POST", {"kind": "stop"})
    assert (status, "diverged" in found["error"]) == (409, True)


@pytest.mark.parametrize("path", ["", "/curves?column=loss", "/table", "/ahead"])
def test_a_run_that_is_not_there_is_not_found(served, path):
    status, found = served.ask(f"/api/runs/no-such{path}")
    assert status == 404
    assert "no run" in found["error"]


def events(served, path, until):
    """The events of a stream up to one that is as wanted."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=HANG)
    connection.request("GET", path, headers=served.bearer)
    answer = connection.getresponse()
    assert answer.headers["content-type"].startswith("text/event-stream")
    kind = None
    for raw in answer:
        name, _, text = raw.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = text
        if name == "data" and until(kind, json.loads(text)):
            break
    connection.close()
    return kind, json.loads(text)


def test_what_happens_to_a_run_is_told_as_it_happens(served, runs, live):
    store = runs[0]
    write = threading.Timer(1.0, lambda: store.write_points(live, [1000], {"loss": [0.25]}))
    write.start()
    path = f"/api/runs/{live}/events"
    _, found = events(
        served, path, lambda kind, data: kind == "state" and data["run"]["step"] == 1001
    )
    assert found["run"]["loss"] == 0.25
    store.add_edit(live, "hold", author="bo")
    _, found = events(served, path, lambda kind, data: data.get("edits") == 1)
    assert found["answered"] == 0


def test_a_store_that_goes_and_comes_back_is_trouble_and_then_news(tmp_path):
    store = Store(tmp_path / "runs.db")
    run = recorded(store, "a")
    away = tmp_path / "away.db"
    with serving(store) as served:
        (tmp_path / "runs.db").rename(away)
        for left in tmp_path.glob("runs.db*"):
            left.rename(tmp_path / left.name.replace("runs", "away"))
        (tmp_path / "runs.db").mkdir()  # where it was, nothing can be opened
        status, found = served.ask("/api/runs")
        assert (status, "store" in found["error"]) == (503, True)

        def back():
            (tmp_path / "runs.db").rmdir()
            away.rename(tmp_path / "runs.db")

        threading.Timer(1.0, back).start()
        seen = []

        def good(kind, data):
            seen.append(kind)
            return kind == "state"

        _, found = events(served, f"/api/runs/{run}/events", good)
    assert "trouble" in seen
    assert found["run"]["run"] == run


def test_open_pages_do_not_keep_the_server_from_ending(tmp_path):
    store = Store(tmp_path / "runs.db")
    recorded(store, "a")
    with serving(store) as served:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=HANG)
        connection.request("GET", "/api/events", headers=served.bearer)
        answer = connection.getresponse()
        assert answer.readline() == b"event: alive\n"
        began = time.monotonic()
    assert time.monotonic() - began < HANG  # it would be for ever
    assert answer.read().count(b"event: state") == 1  # and then the end
    connection.close()
