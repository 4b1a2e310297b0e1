"""Command lines of every command and hostile files for every reader: one sentence, and nothing runs.

`LEARNRATE_FUZZ=5000 pytest tests/cli/test_hostile_files.py` draws as many command lines.
"""

import contextlib
import io
import os
import shutil
import sys
import warnings
from pathlib import Path

import pytest
import uvicorn

import learnrate
from command_lines import CommandLines
from hostile_files import EXECUTED, write_hostile_files
from learnrate import LearnrateError
from learnrate.cli import main
from learnrate.scaling import fit
from learnrate.store import Store
from learnrate.trials import Journal
from learnrate.watch.readers import read_runs

COUNT = int(os.environ.get("LEARNRATE_FUZZ", "60"))
FRESH_EVERY = 50  # command lines, after which the files are as they were
LONGEST = (
    5  # lines of what a refusal may print: a sentence, or the text with a mark below the place
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder of hostile files, which is copied and never used itself."""
    folder = tmp_path_factory.mktemp("hostile")
    return folder, write_hostile_files(folder)


def outcome(words):
    """The exit status of a command line, and what it printed on standard error."""
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["learnrate", *words])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
                code = 0
            except SystemExit as end:
                code = end.code or 0
    return code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode()


def test_no_command_line_ends_in_a_traceback_or_an_unknown_status(hostile, tmp_path, monkeypatch):
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: server._started())
    monkeypatch.setattr("webbrowser.open", lambda *_: True)
    pristine, names = hostile
    codes = {}
    for seed in range(COUNT):
        folder = tmp_path / "files"
        if seed % FRESH_EVERY == 0:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(pristine, folder, symlinks=True)
            monkeypatch.chdir(folder)
        words = CommandLines(names, seed).next()
        try:
            code, out, err = outcome(words)
        except Exception as error:
            raise AssertionError(f"{words} raised {type(error).__name__}: {error}") from error
        assert code in {0, 1, 2, 130}, words
        assert "Traceback" not in out + err, words
        if code == 2:
            assert err.strip(), words
        assert not list(tmp_path.rglob(EXECUTED)), words
        codes[code] = codes.get(code, 0) + 1
    assert codes[0] > COUNT / 10  # some do something
    assert codes[2] > COUNT / 10


def test_every_option_of_every_command_is_drawn():
    lines = CommandLines(["a.csv"], 0)
    drawn = set()
    for _ in range(3000):
        words = lines.next()
        drawn |= {(words[0], word) for word in words}
    for path, command in lines.commands.items():
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                assert (path[0], parameter.opts[0]) in drawn


READERS = {
    "checkpoint": lambda path: learnrate.load_task("tasks.py:task").starting_from(path),
    "plan": learnrate.Plan.read,
    "store": lambda path: Store(path, create=False).runs(),
    "journal": lambda path: Journal(path, "x").get("linear()", 1, 0),
    "log": read_runs,
    "table of runs": fit,
}


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_runs_what_a_file_holds_or_fails_without_a_sentence(
    reader, hostile, tmp_path, monkeypatch
):
    pristine, names = hostile
    shutil.copytree(pristine, tmp_path / "files", symlinks=True)
    monkeypatch.chdir(tmp_path / "files")
    for name in [*names, "x" * 300, "a\0b", "/dev/zero", "caf\udce9"]:
        with warnings.catch_warnings(), contextlib.suppress(LearnrateError):
            warnings.simplefilter("ignore")
            READERS[reader](Path(name))
        assert not (pristine / EXECUTED).exists(), name
