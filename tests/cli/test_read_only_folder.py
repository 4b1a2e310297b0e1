"""A folder that cannot be written is said before the work, by every command that writes files."""

import os
import shlex
from pathlib import Path

import pytest

from command import command_in
from command_lines import commands

WRITERS = {
    "find": ["t.py:task --png no/a.png"],
    "plan": ["t.py:task --out no", "t.py:task --out no/new"],
    "sweep": [
        "t.py:task --png no/a",
        "t.py:task --csv no/a.csv",
        "t.py:task --lr 0.1,0.2 --out no",
    ],
    "compare": ["t.py:task --no-store --png no/a.png", "t.py:task --no-store --out no"],
    "train": ["t.py:task --schedule 0.1 --out no", "t.py:task --schedule 0.1 --out no/new"],
    "show": ["'linear(5)' --png no/a.svg", "'linear(5)' --html no/a.html"],
    "diagnose": ["t.py --html no/a.html"],
    "export": ["last --to no/a.csv"],
    "runs": ["--to no/a.json"],
    "scale": ["t.py --to N=1 --png no/a.png"],
    "claims run": ["adam-3e-4 --task t.py:task --png no/a", "adam-3e-4 --task t.py:task --out no"],
    "meta sweep": ["t.py:meta_task --out no", "t.py:meta_task --png no/a.png"],
    "meta train": ["t.py:meta_task --out no", "t.py:meta_task --png no/a.png"],
    "meta theory": ["--png no/a.png"],
    "transfer check": ["t.py:make_task --widths 1,2,3 --png no/a.png"],
    "transfer sweep": [
        "t.py:make_task --widths 1,2 --png no/a.png",
        "t.py:make_task --widths 1,2 --csv no/a.csv",
        "t.py:make_task --widths 1,2 --out no",
    ],
    "merge": ["other.db --store no/a.db"],
    "dashboard": ["--store no/a.db --no-browser"],
}
LINES = [f"{command} {words}" for command, lines in WRITERS.items() for words in lines]
TASK = """
import learnrate
from learnrate.meta import MetaTask, Sinusoids
def work(*batch):
    raise RuntimeError("the work began")
task = learnrate.Task(model=work, loss=work, data=[1], total_steps=10)
def make_task(width):
    return task
meta_task = MetaTask(model=work, loss=work, episodes=Sinusoids())
"""


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs a command beside a folder that cannot be written, not even by root."""
    (tmp_path / "t.py").write_text(TASK)
    folder = tmp_path / "no"
    folder.mkdir(mode=0o500)
    access, mkdir = os.access, os.mkdir

    def is_inside(path):
        return isinstance(path, str | Path) and Path(path).resolve().is_relative_to(folder)

    def refused_mkdir(path, *mode, **more):
        if is_inside(path) and not Path(path).exists():
            raise PermissionError(13, "Permission denied", str(path))
        return mkdir(path, *mode, **more)

    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode, **more: (
            access(path, mode, **more) and not (mode & os.W_OK and is_inside(path))
        ),
    )
    monkeypatch.setattr(os, "mkdir", refused_mkdir)
    return command_in(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("line", LINES)
def test_a_read_only_folder_is_refused_before_the_work(call, tmp_path, line):
    from learnrate import Store

    Store(tmp_path / "other.db").close()
    code, out, error = call(*shlex.split(line))
    assert (code, out) == (2, "")
    assert "Permission denied" in error or "is read-only" in error or "cannot be opened" in error
    assert "work began" not in error
    assert "Traceback" not in error
    left = {path.name for path in (tmp_path / "no").iterdir()}
    assert left <= {"a.db"}  # SQLite makes an empty file where root may write


def test_every_option_that_names_a_file_to_write_is_tried():
    written = {
        f"{' '.join(path)} {parameter.opts[0]}"
        for path, command in commands().items()
        for parameter in command.params
        if "Path" in str(getattr(parameter, "type_descriptor", None))
        and (parameter.name == "out" or parameter.callback is not None)
    }
    tried = {
        f"{command} {word}"
        for command, lines in WRITERS.items()
        for word in " ".join(lines).split()
    }
    assert {"plan --out", "find --png", "export --to"} <= written
    assert written <= tried
