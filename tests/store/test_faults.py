"""A failing database never stops a training, and costs as few points as possible."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest

from learnrate import StoreError
from learnrate.store import Recorder, Store
from learnrate.watch import Finding, Severity
from processes import HANG, started, wait_until


def started_python(code, *arguments):
    """A Python process that runs `code`; its output can be read line by line."""
    return started(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


def recorded(place, rows, **options):
    """A recorder with rows, and the seconds that adding the slowest of them took."""
    recorder = Recorder(place, names=("lr", "loss"), **options)
    assert recorder.flush()
    return recorder, add_rows(recorder, range(rows))


def add_rows(recorder, steps):
    """Add rows; the seconds that the slowest of them took."""
    slowest = 0.0
    for step in steps:
        began = time.thread_time()
        recorder.add((step, (0.1, float(step)), None))
        slowest = max(slowest, time.thread_time() - began)
    return slowest


def test_a_killed_process_loses_less_than_a_second_of_points_and_no_finding(tmp_path):
    code = """
        import sys, time
        from learnrate.store import Recorder
        from learnrate.watch import Finding, Severity
        finding = Finding(code="LR101", severity=Severity.ERROR, step=0, message="", evidence={},
                          remedy="")
        recorder = Recorder(sys.argv[1], names=("seconds",))
        recorder.add_finding(finding)
        recorder.flush()
        for step in range(10**6):
            recorder.add((step, (time.time(),), None))
            recorder.step = step + 1
            if step == 20:
                print(recorder.run, flush=True)
            time.sleep(0.002)
    """
    with started_python(code, tmp_path / "a.db") as process:
        run = process.stdout.readline().strip()
        time.sleep(1.3)
        killed = time.time()
        process.send_signal(signal.SIGKILL)
        process.wait()
    store = Store(tmp_path / "a.db", create=False)
    observations = store.observations(run)
    assert np.array_equal(observations.step, np.arange(len(observations.step)))
    assert killed - observations.column("seconds")[-1] < 1.0
    assert [finding.code for finding in store.findings(run)] == ["LR101"]
    assert store.run(run).status == "lost"


def test_sixteen_processes_make_a_store_and_write_at_once(tmp_path):
    code = """
        import os, sys
        from learnrate.store import Recorder, Store
        read, write = os.pipe()
        children = []
        for child in range(16):
            pid = os.fork()
            if pid == 0:
                store = Store(sys.argv[1], wait=300)
                shared = os.read(read, 11).decode()
                recorder = Recorder(sys.argv[1], names=("loss",), name=str(child))
                for step in range(300):
                    recorder.add((step, (float(child),), None))
                    if step % 100 == 0:
                        store.add_edit(shared, "scale", 0.5, author=str(child))
                        recorder.flush(300)
                recorder.close("finished", wait=300)
                os._exit(0)
            children.append(pid)
        os.write(write, Store(sys.argv[1], wait=300).new_run(name="shared").encode() * 16)
        sys.exit(any([os.waitpid(pid, 0)[1] for pid in children]))
    """
    with started_python(code, tmp_path / "a.db") as process:
        assert process.communicate(timeout=HANG)[0] == ""
    assert process.returncode == 0
    store = Store(tmp_path / "a.db", create=False)
    (shared,) = (run for run in store.runs() if run.name == "shared")
    runs = [run for run in store.runs() if run != shared]
    assert sorted(int(run.name) for run in runs) == list(range(16))
    assert {run.status for run in runs} == {"finished"}
    for run in runs:
        observations = store.observations(run.id)
        assert np.array_equal(observations.step, np.arange(300))
        assert set(observations.column("loss")) == {float(run.name)}
    assert [edit.sequence for edit in store.edits(shared.id)] == list(range(1, 49))


def test_the_training_does_not_wait_for_another_process_that_locks_the_store(tmp_path):
    code = """
        import sqlite3, sys
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        print("locked", flush=True)
        sys.stdin.read()
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recorder, _ = recorded(tmp_path / "a.db", 10)
        assert recorder.flush()
        locker = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), tmp_path / "a.db"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert locker.stdout.readline() == b"locked\n"
        assert add_rows(recorder, range(10, 2010)) < 0.05
        assert not recorder.flush(3.5)
        locker.communicate()
        assert recorder.flush(15)
        recorder.close("finished")
    assert len(caught) == 1
    assert "is locked by another process" in str(caught[0].message)
    assert len(Store(tmp_path / "a.db").observations(recorder.run).step) == 2010


def test_a_full_disk_keeps_points_in_memory_until_there_is_room(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recorder, _ = recorded(tmp_path / "a.db", 10)
        assert recorder.flush()
        largest = max(file.stat().st_size for file in tmp_path.iterdir())
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 4096, before[1]))
            assert add_rows(recorder, range(10, 20_010)) < 0.05
            assert not recorder.flush(1.5)
            wait_until(lambda: caught)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert recorder.flush(15)
        recorder.close("finished")
    assert len(caught) == 1
    assert "cannot be written" in str(caught[0].message)
    assert len(Store(tmp_path / "a.db").observations(recorder.run).step) == 20_010


def test_no_more_points_are_kept_than_keep_says_and_the_oldest_are_dropped(tmp_path):
    blocked = tmp_path / "a.db"
    blocked.mkdir()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recorder = Recorder(blocked, names=("lr", "loss"), keep=1000)
        for first in range(0, 5000, 500):
            add_rows(recorder, range(first, first + 500))
            recorder.flush(0.05)
        blocked.rmdir()
        assert recorder.flush(15)
        recorder.close("finished")
    step = Store(blocked).observations(recorder.run).step
    assert 0 < len(step) <= 1000
    assert step[-1] == 4999
    assert [warning.category for warning in caught] == [RuntimeWarning] * len(caught)
    assert len(caught) == 2
    assert "4000 points" in str(caught[1].message)


def test_a_store_that_stays_unreachable_costs_one_more_warning_at_the_end(tmp_path):
    blocked = tmp_path / "a.db"
    blocked.mkdir()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recorder = Recorder(blocked, names=("lr", "loss"))
        add_rows(recorder, range(30))
        began = time.monotonic()
        recorder.close("finished", wait=0.5)
        assert time.monotonic() - began < HANG
    assert "30 points of the run" in str(caught[-1].message)
    assert len(caught) == 2


def test_a_store_overwritten_with_another_file_is_written_again_once_that_is_gone(tmp_path):
    place = tmp_path / "a.db"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recorder, _ = recorded(place, 10)
        assert recorder.flush()
        for file in tmp_path.iterdir():
            file.unlink()
        place.write_bytes(b"no database at all " * 500)
        assert add_rows(recorder, range(10, 510)) < 0.05
        assert not recorder.flush(1.0)
        place.unlink()
        assert recorder.flush(15)
        recorder.close("finished")
    assert len(caught) == 1
    assert "is not a database" in str(caught[0].message)
    store = Store(place)
    assert store.observations(recorder.run).step.tolist()[-500:] == list(range(10, 510))
    assert store.run(recorder.run).status == "finished"


def test_a_store_that_is_deleted_during_a_run_is_made_again(tmp_path):
    recorder, _ = recorded(tmp_path / "a.db", 10)
    assert recorder.flush()
    for file in tmp_path.iterdir():
        file.unlink()
    add_rows(recorder, range(10, 20))
    recorder.step = 20
    recorder.close("finished")
    store = Store(tmp_path / "a.db", create=False)
    assert store.observations(recorder.run).step[-1] == 19
    assert store.run(recorder.run).step == 20


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"something else entirely " * 300, "is not a database"),
        (None, "is a database, but not a store of learnrate"),
    ],
)
def test_reading_a_file_that_is_not_a_store_is_refused_in_one_sentence(tmp_path, content, words):
    place = tmp_path / "a.db"
    if content is None:
        with sqlite3.connect(place) as other:
            other.execute("CREATE TABLE other (x)")
        other.close()
    else:
        place.write_bytes(content)
    with pytest.raises(StoreError, match=words):
        Store(place, create=False)


def test_reading_a_damaged_store_is_refused_in_one_sentence(tmp_path):
    store = Store(tmp_path / "a.db")
    run = store.new_run()
    store.write_points(run, np.arange(50_000), {"loss": np.arange(50_000.0)})
    with sqlite3.connect(tmp_path / "a.db") as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    content = (tmp_path / "a.db").read_bytes()
    (tmp_path / "a.db").write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match="is damaged"):
        store.observations(run)


def test_a_newer_store_is_refused(tmp_path):
    Store(tmp_path / "a.db")
    with sqlite3.connect(tmp_path / "a.db") as raw:
        raw.execute("UPDATE learnrate SET version = 99")
    raw.close()
    with pytest.raises(StoreError, match="version 99; this learnrate reads up to"):
        Store(tmp_path / "a.db", create=False)


def test_a_store_that_may_only_be_read_can_be_read(tmp_path):
    code = """
        import os, sys, warnings
        from learnrate import StoreError
        from learnrate.store import Recorder, Store
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        store = Store(sys.argv[1], create=False)
        run = store.resolve("last")
        print(store.observations(run).step.tolist())
        try:
            store.add_edit(run, "stop", author="me")
        except StoreError as error:
            print(error)
        warnings.simplefilter("always")
        recorder = Recorder(sys.argv[1], names=("lr",))
        recorder.add((0, (0.1,), None))
        recorder.close("finished", wait=0.2)
    """
    folder = tmp_path / "read-only"
    folder.mkdir()
    store = Store(folder / "a.db")
    store.write_points(store.new_run(), [0, 1], {"loss": [2.0, 1.0]})
    (folder / "a.db").chmod(0o444)
    folder.chmod(0o555)
    above = [parent for parent in tmp_path.parents if parent.stat().st_uid == os.getuid()]
    modes = [(parent, parent.stat().st_mode) for parent in [tmp_path, *above[:-1]]]
    try:
        for parent, mode in modes:
            parent.chmod(mode | 0o055)
        process = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), folder / "a.db"],
            check=True,
            capture_output=True,
            text=True,
        )
    finally:
        for parent, mode in modes:
            parent.chmod(mode)
        folder.chmod(0o755)
    points, refused = process.stdout.splitlines()
    assert points == "[0, 1]"
    assert "is read-only" in refused
    assert "is read-only" in process.stderr
    assert "1 point of the run" in process.stderr


def test_an_observer_that_raises_is_reported_once_and_stops_nothing(tmp_path):
    shown_steps = []
    finding = Finding(
        code="LR201", severity=Severity.ADVICE, step=0, message="", evidence={}, remedy=""
    )

    def good(observations):
        shown_steps.extend(observations.step.tolist())
        return [finding]

    def bad(observations):
        raise ZeroDivisionError("no")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recorder = Recorder(tmp_path / "a.db", names=("lr",))
        recorder.observers += [bad, good]
        for step in (0, 1):
            recorder.add((step, (0.1,), None))
            recorder.flush()
        recorder.close("finished")
    assert shown_steps == [0, 1]
    assert len(caught) == 1
    assert "ZeroDivisionError: no" in str(caught[0].message)
    assert (
        Store(tmp_path / "a.db").findings(recorder.run) == [finding, finding] == recorder.findings
    )
