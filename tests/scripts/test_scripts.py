"""Training scripts of the usual kinds: a run leaves their losses alone, is steered, and resumes.

`tests/script_harness.py` trains each script in processes of their own, one of which is killed.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import learnrate
from learnrate.steering import observations_as_edited
from learnrate.watch import diagnose

pytest.importorskip("torch")
import script_harness as harness
from processes import HANG, finished

NEEDED = {
    "mnist_steplr": ["sklearn"],
    "vae_summed": ["sklearn"],
    "dcgan": ["sklearn"],
    "vit_timm": ["sklearn"],
    "accelerate_loop": ["accelerate"],
    "lightning_gan": ["lightning", "sklearn"],
    "lightning_language_model": ["lightning"],
    "trainer": ["transformers", "datasets"],
    "sft_lora": ["trl", "peft", "trackio"],
    "keras_convnet": ["keras", "sklearn"],
}
# What is true of a script, whether or not the measurements that time allows are enough to say it.
CONSTANT = ["gcn", "lstm_lbfgs", "reinforce", "dcgan", "ddp", "lightning_gan"]
LOW = ["mnist_steplr", "vae_summed", "gcn", "nanogpt", "vit_timm", "trainer", "sft_lora"]
RULES = {
    # never decayed, or along a cosine of 100 updates that ends after 72
    "LR302": [*CONSTANT, "lightning_language_model", "keras_convnet"],
    "LR204": LOW,  # ten times its rate ends lower
    "LR107": ["ddp"],  # a seventh of its rate ends at a quarter of its loss
    "LR105": ["nanogpt"],  # every update is clipped
    "LR201": ["vae_summed"],  # flat at the start
}
SCRIPTS = [*harness.LOOPS, *harness.FRAMEWORKS]


class Trained:
    """What the trainings of one script left behind."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.ended = json.loads((folder / f"{name}.json").read_text())

    def losses(self, mode):
        document = json.loads((self.folder / f"{self.name}.{mode}.json").read_text())
        assert document["error"] is None, document["error"]
        return {int(step): loss for step, loss in document["losses"].items()}

    def store(self, stem):
        return learnrate.Store(self.folder / f"{self.name}.{stem}.db")

    def only_run(self, stem):
        """The one run of a store, with its rows."""
        store = self.store(stem)
        (run,) = store.runs()
        return run, store.observations(run.id)


def is_installed(name):
    return all(importlib.util.find_spec(package) for package in NEEDED.get(name, []))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trains a script when it is first asked for, with the other loops or the other frameworks."""
    folder = tmp_path_factory.mktemp("scripts")
    done = {}

    def train(name):
        if not is_installed(name):
            pytest.skip(f"one of {', '.join(NEEDED[name])} is not installed")
        if name not in done:
            group = harness.LOOPS if name in harness.LOOPS else harness.FRAMEWORKS
            names = [script for script in group if is_installed(script)]
            command = [sys.executable, harness.__file__, str(folder), *names]
            shown = finished(command, timeout=3 * HANG)  # a dozen trainings
            assert shown.returncode == 0, shown.stdout + shown.stderr
            done.update({script: Trained(folder, script) for script in names})
        return done[name]

    return train


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_with_a_run_trains_as_without_it_to_the_last_bit(name, trained):
    training = trained(name)
    plain = training.losses("plain")
    assert training.losses("kept") == plain
    assert sorted(plain) == list(range(harness.UPDATES))
    run, observations = training.only_run("kept")
    assert (str(run.status), run.step, run.total_steps) == ("finished", *2 * [harness.UPDATES])
    assert observations.step.tolist() == list(range(harness.UPDATES))
    assert np.isfinite(observations.column("lr")).all()
    assert np.isfinite(observations.column("loss")).all()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_killed_script_continues_in_its_run_and_is_steered_there(name, trained):
    training = trained(name)
    assert training.ended["killed"] == -9
    assert training.ended["resumed"] == 0
    plain, resumed = training.losses("plain"), training.losses("resumed")
    first = min(resumed)
    assert 0 < first <= harness.KILLED_AT
    for step in range(first, harness.STEERED_AT):
        if name == "keras_convnet":  # whose resumed rates are ours, in a table of its float type
            expected = pytest.approx(float.fromhex(plain[step]), rel=1e-3)
            assert float.fromhex(resumed[step]) == expected
        else:
            assert resumed[step] == plain[step]
    run, observations = training.only_run("resumed")
    assert (str(run.status), run.step) == ("finished", harness.UPDATES)
    assert observations.step.tolist() == list(range(harness.UPDATES))
    (edit,) = training.store("resumed").edits(run.id)
    assert str(edit.status) == "applied"
    is_steered = observations.step >= edit.step
    _, unsteered = training.only_run("kept")
    expected = unsteered.column("lr") * np.where(is_steered, 0.5, 1.0)
    np.testing.assert_allclose(observations.column("lr"), expected, rtol=1e-6)
    assert edit.step >= harness.STEERED_AT
    if name != "ddp":  # whose ranks agree on a step ahead
        assert edit.step == harness.STEERED_AT
        assert resumed != {step: plain[step] for step in resumed}


@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_false_is_said_of_a_script(name, trained):
    training = trained(name)
    for stem in ("kept", "resumed"):
        store = training.store(stem)
        (run,) = store.runs()
        diagnosis = diagnose(observations_as_edited(store, run.id))
        findings = [*store.findings(run.id), *diagnosis.findings]
        for finding in findings:
            assert name in RULES.get(finding.code, []), finding


@pytest.mark.parametrize("name", harness.FRAMEWORKS)
def test_a_finished_training_of_a_framework_is_trained_further_in_its_run(name, trained):
    training = trained(name)
    assert (training.ended["shorter"], training.ended["longer"]) == (0, 0)
    run, observations = training.only_run("longer")
    assert (str(run.status), run.step) == ("finished", harness.LONGER)
    assert run.total_steps == harness.LONGER
    schedule = learnrate.schedule(harness.SCHEDULE)
    first, longer = schedule.over(harness.SHORTER), schedule.over(harness.LONGER)
    expected = [*first.table(), *longer.table()[harness.SHORTER :]]
    np.testing.assert_allclose(observations.column("lr"), expected, rtol=1e-6)


def test_every_script_of_the_folder_is_trained():
    files = {path.stem for path in Path(__file__).parent.glob("*.py")}
    assert files == {*SCRIPTS, "conftest", "lightnings", "test_scripts"}
