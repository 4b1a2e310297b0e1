"""`learnrate dashboard` from the shell: errors are one sentence, with exit status 2."""

import contextlib
import json
import logging
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request

import pytest
from served import recorded

from learnrate.cli import main
from learnrate.dashboard import serve
from learnrate.store import Store
from processes import HANG, started


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that runs the command in this process; its exit status and standard error."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["learnrate", "dashboard", "--no-browser", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    file = tmp_path_factory.mktemp("command") / "runs.db"
    recorded(Store(file), "a", rows=10)
    return file


@contextlib.contextmanager
def served(place):
    """The command in a process of its own, and the address it prints."""
    command = [sys.executable, "-m", "learnrate", "dashboard", "--no-browser", "--json"]
    with started(
        [*command, "--store", str(place), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process, json.loads(process.stdout.readline())["url"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--store", "/nowhere/runs.db"], "its folder does not exist"),
        (["--store", "/nowhere/runs.db", "--read-only"], "there is no store"),
        (["--host", "0.0.0.0"], "opens the page, unencrypted, to every machine"),
        (["--host", "0.0.0.0"], "--allow-network"),
        (["--port", "70000"], "0 to 65535"),
        (["--plans", "/nowhere"], "is not a folder"),
    ],
)
def test_misuse_is_one_sentence_and_status_2(run, place, words, message):
    code, errors = run("--store", str(place), *words)
    assert code == 2
    assert message in errors
    assert errors.startswith("learnrate: ")


def test_a_port_that_is_taken_is_refused_and_the_message_names_a_way_out(run, place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, errors = run("--store", str(place), "--port", str(taken.getsockname()[1]))
    assert code == 2
    assert "--port 0" in errors


def test_before_the_first_run_it_makes_an_empty_store_and_the_page_names_its_place(tmp_path):
    place = tmp_path / "later.db"
    with served(place) as (process, url):
        address, _, token = url.partition("?token=")
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=HANG) as page:
            assert f"No runs in <code>{place}</code> yet" in page.read().decode()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANG)
    assert Store(place, create=False).runs() == []


def test_a_database_of_another_program_is_not_made_a_store(run, tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE other (x)")
    other.close()
    code, errors = run("--store", str(tmp_path / "other.db"))
    assert code == 2
    assert "not a store of learnrate" in errors


def test_ctrl_c_ends_it_quietly_and_the_address_is_one_json_object(place):
    with served(place) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=HANG)
    assert (out, errors) == ("", "")
    assert process.returncode in {0, 130, -signal.SIGINT}


def test_a_log_handler_of_the_caller_is_left_open(place, tmp_path):
    handler = logging.FileHandler(tmp_path / "log.txt")

    def end(url):
        raise KeyboardInterrupt(url)

    with contextlib.closing(handler):
        with pytest.raises(KeyboardInterrupt, match="token="):
            serve(Store(place), port=0, browser=False, say=end)
        assert handler.stream is not None
