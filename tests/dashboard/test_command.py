"""`learnrate dashboard` from the shell: what it refuses, in a sentence and with status 2."""

import json
import signal
import socket
import subprocess
import sys

import pytest
from served import recorded

from learnrate.cli import main
from learnrate.store import Store


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command in this process; gives the exit status and what it said."""

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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--store", "/nowhere/runs.db"], "there is no store"),
        (["--host", "0.0.0.0"], "every machine that reaches this one ask"),
        (["--host", "0.0.0.0"], "--allow-network"),
        (["--port", "70000"], "0 to 65535"),
        (["--plans", "/nowhere"], "is not a folder"),
    ],
)
def test_misuse_is_one_sentence_and_status_2(run, place, words, said):
    code, errors = run("--store", str(place), *words)
    assert code == 2
    assert said in errors
    assert errors.startswith("learnrate: ")


def test_a_port_that_is_taken_is_refused_and_the_way_out_said(run, place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, errors = run("--store", str(place), "--port", str(taken.getsockname()[1]))
    assert code == 2
    assert "--port 0" in errors


def test_ctrl_c_ends_it_quietly_and_the_address_is_one_json_object(place):
    command = [sys.executable, "-m", "learnrate", "dashboard", "--no-browser", "--json"]
    process = subprocess.Popen(
        [*command, "--store", str(place), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = json.loads(process.stdout.readline())["url"]
    assert url.startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert (out, errors) == ("", "")
    assert process.returncode in {0, 130, -signal.SIGINT}
