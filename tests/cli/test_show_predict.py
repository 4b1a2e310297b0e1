"""learnrate show --predict: the losses that are expected of schedules, from stored runs."""

import json

import numpy as np
import pytest

from command import command_in
from learnrate.schedules import schedule
from learnrate.store import Recorder

LENGTH = 600
SPEC = "0.1 * linear()"


@pytest.fixture
def show(tmp_path, monkeypatch, capsys):
    """Run the command; its exit status, standard output and error."""
    monkeypatch.setenv("COLUMNS", "100")
    recorder = Recorder(tmp_path / "learnrate.db", names=("lr", "loss"), name="cosine")
    rates = schedule("0.1 * cosine()").over(LENGTH).table()
    losses = 1 + 3 / np.sqrt(np.arange(LENGTH) + 5) + rates
    for step in range(LENGTH):
        recorder.add((step, (rates[step], losses[step]), None))
    recorder.close("finished")
    return command_in(tmp_path, monkeypatch, capsys, "show")


def test_it_prints_the_expected_loss_beside_the_measured_one(show):
    status, out, _ = show(SPEC, "--total-steps", LENGTH, "--predict", "last")
    assert status == 0
    assert "80 % interval" in out
    assert "run cosine" in out
    assert "measured" in out


def test_the_length_is_by_default_that_of_the_run(show):
    _, out, _ = show(SPEC, "--predict", "last", "--json")
    assert json.loads(out)["total_steps"] == LENGTH


def test_json_has_the_loss_and_its_interval(show):
    status, out, _ = show(SPEC, "--total-steps", LENGTH, "--predict", "last", "--json")
    predicted = json.loads(out)["predicted"]
    assert status == 0
    (run,) = predicted["runs"]
    assert run.startswith("cosine (")
    assert predicted["low"][-1] < predicted["loss"][-1] < predicted["high"][-1]
    assert predicted["step"][-1] == LENGTH


def test_the_page_and_the_picture_have_the_losses(show, tmp_path):
    saved = ("--png", tmp_path / "a.png", "--html", tmp_path / "a.html")
    status, _, _ = show(SPEC, "0.1*cosine()", "--total-steps", LENGTH, "--predict", "last", *saved)
    assert status == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "a.html").read_text()
    assert "Expected loss" in page
    assert "run cosine" in page


def test_what_cannot_be_predicted_is_one_sentence(show):
    status, _, errors = show("0.9 * linear()", "--total-steps", LENGTH, "--predict", "last")
    assert status == 2
    assert "the peak must lie between 0.05 and 0.2" in errors
