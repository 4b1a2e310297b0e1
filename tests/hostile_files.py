"""Files that a person may point a command at by mistake or in bad faith, of every kind that is read."""

import gzip
import io
import json
import pickle
import sqlite3
import zipfile

import numpy as np
import torch

from learnrate.schedules import schedule
from learnrate.store import Store
from learnrate.watch import Finding, Severity

EXECUTED = "executed"
"""The name of the file that a malicious file creates where it is read, if what it holds is run."""

DEEP = b"[" * 100_000
DIGITS = b"9" * 5000

TASKS = """
from learnrate.testing import quadratic_task
from learnrate.meta import sine_tasks
task = quadratic_task(dim=2, total_steps=60)
short = quadratic_task(dim=2, total_steps=4)
unstable = quadratic_task(dim=2, steepest=1e6, total_steps=60)
number = 3
def raising():
    raise RuntimeError("no data here")
"""


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, folder):
        self._file = str(folder / EXECUTED)

    def __reduce__(self):
        return open, (self._file, "w")


def write_hostile_files(folder):
    """Write the files, with a store, a plan, a checkpoint and tasks that are good, into a folder."""
    good = good_files(folder)
    for name, content in {**_documents(good), **_tables(), **_checkpoints(folder, good)}.items():
        (folder / name).write_bytes(content)
    _write_tasks(folder)
    _write_stores(folder)
    (folder / "folder").mkdir()
    (folder / "folder.json").mkdir()
    (folder / "loop.json").symlink_to(folder / "loop.json")
    (folder / "nowhere.csv").symlink_to(folder / "none" / "there.csv")
    return sorted(path.name for path in folder.iterdir())


def good_files(folder):
    """Files as learnrate writes them."""
    from learnrate import find, plan
    from learnrate.testing import quadratic_task

    task = quadratic_task(dim=2, total_steps=60)
    written = plan(task, out=folder, progress=False)
    written.write(folder / "plan.json")
    swept = find(task, repeats=1, iters=60, progress=False)
    (folder / "range.json").write_text(json.dumps(swept.to_dict()))
    (folder / "log.csv").write_text(
        "step,loss,lr\n" + "".join(f"{i},{1 / (i + 1)},0.1\n" for i in range(40))
    )
    torch.save({"weights": torch.zeros(2)}, folder / "state.pt")
    recorded_store(folder / "runs.db")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def recorded_store(place):
    """A store with one run that has everything a run may have."""
    store = Store(place)
    run = store.new_run(name="[/]caf\u00e9", total_steps=50, schedule=schedule("0.1 * linear(50)"))
    steps = np.arange(50)
    columns = {"lr": 0.1 * (1 - steps / 50), "loss": 2.0 * 0.9**steps}
    store.write_points(run, steps, columns)
    finding = Finding(
        code="LR101", severity=Severity.ERROR, step=3, message="m", evidence={}, remedy="r"
    )
    store.add_finding(run, finding)
    store.add_edit(run, "scale", 0.5, author="a", step=10, position=0)
    store.set_status(run, "finished")
    store.close()


def _documents(good):
    plan = good["plan.json"]
    changed = json.loads(plan)

    def with_values(**values):
        return json.dumps({**changed, **values}).encode()

    return {
        "deep.json": DEEP,
        "deep.jsonl": b'{"a":' * 100_000 + b"\n",
        "digits.json": DIGITS,
        "digits.jsonl": b'{"step": ' + DIGITS + b', "loss": 1}\n' * 3,
        "empty.json": b"",
        "null.json": b"null",
        "list.json": b"[1, 2]",
        "latin.json": '{"caf\u00e9": 1}'.encode("latin-1"),
        "utf16.json": '{"a": 1}'.encode("utf-16"),
        "surrogate.json": b'{"format": "learnrate.plan", "task": "\\ud800"}',
        "nan.json": b'{"lr": [NaN], "loss": [NaN, 1e999], "step": [0, 1]}',
        "cut_plan.json": plan[: len(plan) // 2],
        "version_plan.json": with_values(format_version=99),
        "text_plan.json": with_values(peak="0.1"),
        "high_plan.json": with_values(peak=1e308, high=1e308, low=1e308),
        "long_plan.json": with_values(total_steps=10**18, schedule=f"0.1 * linear({10**18})"),
        "digits_plan.json": plan.replace(b'"peak":', b'"peak": 1' + b"0" * 4000 + b', "x":'),
        "nested_plan.json": with_values(schedule="(" * 20_000 + "1"),
        "no_trials_plan.json": with_values(trials=None, rungs=3),
        "markup_plan.json": with_values(task="[/]<script>\x1b[31m", reason="[bold]"),
        "extreme_range.json": good["range.json"].replace(b'"lr": [', b'"lr": [1e308, -1e308, '),
        "text_range.json": good["range.json"].replace(b'"lr": [', b'"lr": ["a", '),
        "trainer_state.json": b'{"log_history": [{"step": 1e400, "loss": "x"}, {"step": 99}]}',
        "number_range.json": b'{"suggestion": "x", "reason": 3, "rules": 1, "diverged_at": [], "lr": [1], "loss": 0}',
    }


def _tables():
    rows = b"".join(b"%d,1,0.1\n" % step for step in range(30))
    header = b"step,loss,lr\n"
    return {
        "empty.csv": b"",
        "header.csv": header,
        "wide.csv": header + b"0,1," + b"9" * 200_000 + b"\n" + rows,
        "quote.csv": header + b'"' + b"x" * 300_000,
        "null.csv": header + b"\0\0\0" + rows,
        "latin.csv": "step,loss,caf\u00e9\n0,1,2\n".encode("latin-1") + rows,
        "extreme.csv": header + b"0,1e308,1e308\n1,-1e308,1e308\n2,1e308,-1e308\n" * 9,
        "infinite.csv": header + b"0,inf,nan\n1,-inf,1e999\n" * 9,
        "backwards.csv": header + b"-5,1,1\n1e300,2,2\n-1e300,0,0\n" * 9,
        "ragged.csv": header + b"0\n1,2,3,4,5,6\n,,,\n",
        "columns.csv": b",".join(b"c%d" % column for column in range(5000)) + b"\n" + b"1," * 4999,
        "sweep.csv": b"lr,loss,N,D,B\n" + b"1e308,1,1e308,0,-1\nnan,1e308,inf,1,1\n" * 20,
        "same.csv": b"lr,loss,N,D,B\n" + b"0.1,1,10,10,10\n" * 20,
        "cut.csv.gz": gzip.compress(header + rows)[:40],
        "log.txt": b"step 1 loss 1e308\n" * 40 + b"step " + DIGITS + b" loss 2\n",
        "events.out.tfevents.1": b"\x18\0\0\0\0\0\0\0" + b"x" * 50,
        "cut.parquet": b"PAR1" + b"\0" * 20 + b"PAR1",
    }


def _checkpoints(folder, good):
    malicious = pickle.dumps(Malicious(folder))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", malicious)
        file.writestr("archive/version", "3\n")
    state = good["state.pt"]
    listed, nested = io.BytesIO(), io.BytesIO()
    torch.save([torch.zeros(2)], listed)
    torch.save({"model": {"weights": torch.zeros(3, 3)}, "optimizer": [{"state": 1}]}, nested)
    return {
        "malicious.pkl": malicious,
        "malicious.pt": archive.getvalue(),
        "malicious.json": malicious,
        "malicious.csv": malicious,
        "cut.pt": state[: len(state) // 2],
        "empty.pt": b"",
        "text.pt": b"weights",
        "list.pt": listed.getvalue(),
        "other.pt": nested.getvalue(),
        "zip.pt": b"PK\x03\x04" + b"\0" * 60,
    }


def _write_tasks(folder):
    for name, text in {
        "tasks.py": TASKS,
        "syntax.py": "task = (",
        "null.py": "task = 1\0",
        "ends.py": "raise SystemExit(7)",
        "deep.py": "task = " + "(" * 5000 + ")" * 5000,
        "recursive.py": "def task():\n    return task()",
    }.items():
        (folder / name).write_text(text)
    (folder / "latin.py").write_bytes("task = 'caf\u00e9'".encode("latin-1"))


def _write_stores(folder):
    content = (folder / "runs.db").read_bytes()
    (folder / "empty.db").write_bytes(b"")
    (folder / "text.db").write_bytes(b"no database at all " * 300)
    (folder / "cut.db").write_bytes(content[: len(content) // 2])
    (folder / "header.db").write_bytes(content[:100])
    with sqlite3.connect(folder / "other.db") as other:
        other.execute("CREATE TABLE other (x)")
    other.close()
    for name, statement in HOSTILE_ROWS.items():
        place = folder / f"{name}.db"
        place.write_bytes(content)
        with sqlite3.connect(place) as database:
            database.execute(statement)
        database.close()


HOSTILE_ROWS = {
    "deep_facts": f"UPDATE runs SET facts = '{DEEP.decode()}'",
    "digits_facts": f"UPDATE runs SET facts = '{{\"a\": {DIGITS.decode()}}}'",
    "list_facts": "UPDATE runs SET facts = '[1]', limits = 'null'",
    "text_facts": "UPDATE runs SET facts = 'x', limits = ''",
    "group_facts": 'UPDATE runs SET facts = \'{"group_lr": ["a", 1e999], "seed": [], "classes": -1, "group_schedules": 7, "step_unit": []}\'',
    "blob_facts": "UPDATE runs SET facts = x'ff00', name = x'ff'",
    "unknown_status": "UPDATE runs SET status = 'sleeping'",
    "text_step": "UPDATE runs SET step = 'x', lr = 'y', total_steps = -1",
    "null_time": "UPDATE runs SET started = 1e300, updated = -1e300",
    "bad_schedule": 'UPDATE runs SET schedule = \'{"kind": "Exec", "code": "1"}\'',
    "deep_schedule": f"UPDATE runs SET schedule = '{DEEP.decode()}'",
    "long_schedule": "UPDATE runs SET schedule = '\"x\"', total_steps = 1000000000000000000",
    "odd_data": "UPDATE points SET data = x'00'",
    "text_data": "UPDATE points SET data = 'abc', columns = '[\"loss\"]'",
    "deep_columns": f"UPDATE points SET columns = '{DEEP.decode()}'",
    "number_columns": "UPDATE points SET columns = '3'",
    "group_columns": 'UPDATE points SET columns = \'["lr[x]", "lr[99999999999]"]\'',
    "far_attempt": "UPDATE attempts SET begins = 'x'",
    "no_attempt": "DELETE FROM attempts",
    "unknown_severity": "UPDATE findings SET severity = 'x', evidence = '['",
    "unknown_edit": "UPDATE edits SET kind = 'exec', value = '\"x\"'",
    "text_edit": "UPDATE edits SET value = '[[', status = 'maybe'",
    "negative_edit": "UPDATE edits SET value = '-1e308', step = -5",
    "text_version": "UPDATE learnrate SET version = 'x'",
    "two_versions": "INSERT INTO learnrate VALUES (3)",
    "no_version": "DELETE FROM learnrate",
    "no_table": "DROP TABLE edits",
}
