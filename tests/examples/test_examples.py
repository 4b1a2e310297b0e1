"""Every example runs in small, in an empty folder, and does what its first lines promise."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import learnrate
from learnrate.watch import Finding

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
STRICT = ["-W", "error"]
# Frameworks that warn of their own inner parts are let do so; ours still raise.
LENIENT = [*STRICT, "-W", "ignore::DeprecationWarning", "-W", "ignore::FutureWarning"]
PYTHON = {
    "image_classifier": STRICT,
    "character_model": STRICT,
    "tabular": STRICT,
    "fine_tuning": STRICT,
    "transformers_trainer": LENIENT,
    "lightning_module": [*LENIENT, "-W", "ignore::UserWarning"],  # of few loader workers
    "keras_model": LENIENT,
    "ddp": ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
}
SMALL = {
    "image_classifier": ["--total-steps", "40"],
    "character_model": ["--total-steps", "40"],
    "tabular": ["--total-steps", "40"],
    "fine_tuning": ["--total-steps", "40"],
    "transformers_trainer": ["--total-steps", "100"],
    "lightning_module": ["--total-steps", "40"],
    "keras_model": ["--epochs", "1", "--iters", "40"],
    "ddp": ["--total-steps", "40"],
}
PLANNED = sorted(SMALL.keys() - {"keras_model"})


@dataclass
class Ran:
    """What an example left."""

    said: str
    out: Path
    store: learnrate.Store
    runs: list


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Runs an example once for all tests of it."""
    kept = {}

    def run(name):
        if name not in kept:
            folder = tmp_path_factory.mktemp(name)
            command = [sys.executable, *PYTHON[name], str(EXAMPLES / f"{name}.py"), *SMALL[name]]
            done = subprocess.run(
                command, check=False, cwd=folder, capture_output=True, text=True, timeout=1200
            )
            kept[name] = done, folder / "build" / name
        done, out = kept[name]
        assert done.returncode == 0, done.stderr
        store = learnrate.Store(out / "runs.db", create=False)
        return Ran(done.stdout, out, store, sorted(store.runs(), key=lambda one: one.started))

    return run


@pytest.mark.parametrize("name", PLANNED)
def test_its_plan_can_be_read_and_was_trained_under(ran, name):
    found = ran(name)
    plan = learnrate.Plan.read(found.out / "plan.json")
    assert str(plan) in found.said
    assert str(plan.schedule) in {str(run.schedule) for run in found.runs}
    assert "<svg" in (page := (found.out / "report.html").read_text()) or "plotly" in page


@pytest.mark.parametrize("name", sorted(SMALL))
def test_its_runs_are_in_the_store_and_their_loss_falls(ran, name):
    found = ran(name)
    assert len(found.runs) >= 2
    assert {str(run.status) for run in found.runs} == {"finished"}
    falls = []
    for run in found.runs:
        loss = found.store.observations(run.id).column("loss")
        assert len(loss) == run.total_steps
        assert np.isfinite(loss).all()
        falls.append(np.mean(loss[-5:]) / np.mean(loss[:5]))
    assert min(falls) < 0.8


@pytest.mark.parametrize("name", sorted(SMALL))
def test_what_it_says_of_the_losses_falls_too(ran, name):
    pairs = re.findall(r"loss (\d+\.\d+) -> (\d+\.\d+)", ran(name).said)
    if name in {"tabular", "fine_tuning"}:  # these print the start once
        pairs = [re.findall(r"loss (\d+\.\d+)", ran(name).said)[:2]]
    (before, after), *_ = pairs
    assert float(after) < float(before)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_the_commands_it_prints_are_there_and_name_what_it_wrote(ran, name):
    found = ran(name)
    (store,) = re.findall(r"learnrate dashboard --store (\S+)", found.said)
    assert found.out.parent.parent / store == found.out / "runs.db"
    if name != "keras_model":
        assert f"learnrate steer last scale 0.5 --store {store}" in found.said


def test_what_was_found_is_stored_and_said(ran):
    found = ran("transformers_trainer")  # its default rate, 5e-5, is far too low for new weights
    held = [one for run in found.runs for one in found.store.findings(run.id)]
    assert "LR201" in [one.code for one in held]
    for one in held:
        assert isinstance(one, Finding)
        assert f"{one.code}: {one.message} {one.remedy}" in found.said


def test_two_ranks_are_one_run(ran):
    found = ran("ddp")
    assert [run.name for run in found.runs] == ["planned", "default"]
    assert found.said.count("planned peak") == 1
    assert "An update sees 2 x 16 images" in found.said


def test_the_first_layers_keep_their_share_of_the_rate(ran):
    found = ran("fine_tuning")
    tuned = next(run for run in found.runs if run.name == "fine-tuning")
    first, last = tuned.facts["group_lr"]
    assert first / last == pytest.approx(0.3)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_its_first_lines_say_which_extras_it_needs_and_how_to_run_it(name):
    said = (EXAMPLES / f"{name}.py").read_text()
    extras = {"transformers_trainer": ",transformers", "lightning_module": ",lightning"}
    extras["keras_model"] = ",keras"
    assert f"pip install 'learnrate[examples{extras.get(name, '')}]'" in said
    assert re.search(rf"(python|torchrun .*) {name}\.py", said)
    assert len(said.splitlines()) <= 150  # short enough to copy


def test_the_page_lists_every_example_with_its_extras():
    page = (ROOT / "docs" / "examples.md").read_text()
    for name in SMALL:
        (extras,) = re.findall(rf"\| `{name}.py` \|.*\| `(.*)` \|", page)
        assert f"'learnrate[{extras}]'" in (EXAMPLES / f"{name}.py").read_text()
