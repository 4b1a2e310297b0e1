"""Every example runs for a few updates, in an empty folder, and does what its docstring says."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import learnrate
from learnrate.watch import Finding
from processes import HANG, finished
from ranks import finished_ranks

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
STRICT = [("error", "Warning")]
# Frameworks may warn about their own internals; other warnings still raise.
LENIENT = [*STRICT, ("ignore", "DeprecationWarning"), ("ignore", "FutureWarning")]
FILTERS = {
    "image_classifier": STRICT,
    "character_model": STRICT,
    "tabular": STRICT,
    "fine_tuning": STRICT,
    "transformers_trainer": LENIENT,
    "lightning_module": [
        *LENIENT,
        ("ignore", "UserWarning"),
    ],  # about the number of loader workers
    "keras_model": LENIENT,
}
SMALL = {
    "image_classifier": ["--total-steps", "60"],
    "character_model": ["--total-steps", "50"],
    "tabular": ["--total-steps", "60"],
    "fine_tuning": ["--total-steps", "50"],
    "transformers_trainer": ["--total-steps", "50"],
    "lightning_module": ["--total-steps", "60"],
    "keras_model": ["--epochs", "1", "--iters", "40"],
    "ddp": ["--total-steps", "60"],
}
PLANNED = sorted(SMALL.keys() - {"keras_model"})


@dataclass
class ExampleResult:
    """What an example printed and wrote."""

    printed: str
    out: Path
    store: learnrate.Store
    runs: list


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folders of all examples, which have run there."""
    folders = {name: tmp_path_factory.mktemp(name) for name in SMALL}
    jobs = [
        (str(EXAMPLES / f"{name}.py"), SMALL[name], FILTERS[name], str(folders[name]))
        for name in FILTERS
    ]
    (listed := tmp_path_factory.mktemp("jobs") / "jobs.json").write_text(json.dumps(jobs))
    runner = ROOT / "tests" / "run_examples.py"
    done = finished([sys.executable, str(runner), str(listed)], timeout=4 * HANG)
    assert done.returncode == 0, done.stderr
    ranks = finished_ranks(EXAMPLES / "ddp.py", *SMALL["ddp"], folder=folders["ddp"])
    statuses, printed, errors = zip(*ranks, strict=True)
    for name, texts in (("stdout", printed), ("stderr", errors)):
        (folders["ddp"] / name).write_text("".join(texts))
    (folders["ddp"] / "status").write_text(str(max(map(abs, statuses))))
    return folders


@pytest.fixture
def result_of(folders):
    """A function that reads what an example left."""

    def read(name):
        folder = folders[name]
        assert (folder / "status").read_text() == "0", (folder / "stderr").read_text()
        out = folder / "build" / name
        store = learnrate.Store(out / "runs.db", create=False)
        runs = sorted(store.runs(), key=lambda run: run.started)
        return ExampleResult((folder / "stdout").read_text(), out, store, runs)

    return read


@pytest.mark.parametrize("name", PLANNED)
def test_its_plan_can_be_read_and_was_used_for_training(result_of, name):
    result = result_of(name)
    plan = learnrate.Plan.read(result.out / "plan.json")
    assert str(plan) in result.printed
    assert str(plan.schedule) in {str(run.schedule) for run in result.runs}
    assert "<svg" in (page := (result.out / "report.html").read_text()) or "plotly" in page


@pytest.mark.parametrize("name", sorted(SMALL))
def test_its_runs_are_in_the_store_and_their_loss_falls(result_of, name):
    result = result_of(name)
    assert len(result.runs) >= 2
    assert {str(run.status) for run in result.runs} == {"finished"}
    falls = []
    for run in result.runs:
        loss = result.store.observations(run.id).column("loss")
        assert len(loss) == run.total_steps
        assert np.isfinite(loss).all()
        falls.append(np.mean(loss[-5:]) / np.mean(loss[:5]))
    assert min(falls) < 0.8


@pytest.mark.parametrize("name", sorted(SMALL))
def test_the_losses_that_it_prints_fall_too(result_of, name):
    pairs = re.findall(r"loss (\d+\.\d+) -> (\d+\.\d+)", result_of(name).printed)
    if name in {"tabular", "fine_tuning"}:  # these print the start once
        pairs = [re.findall(r"loss (\d+\.\d+)", result_of(name).printed)[:2]]
    (before, after), *_ = pairs
    assert float(after) < float(before)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_the_commands_that_it_prints_name_the_files_that_it_wrote(result_of, name):
    result = result_of(name)
    (store,) = re.findall(r"learnrate dashboard --store (\S+)", result.printed)
    assert result.out.parent.parent / store == result.out / "runs.db"
    if name != "keras_model":
        assert f"learnrate steer last scale 0.5 --store {store}" in result.printed


def test_findings_that_are_stored_are_printed(result_of):
    result = result_of("transformers_trainer")
    findings = [finding for run in result.runs for finding in result.store.findings(run.id)]
    for finding in findings:
        assert isinstance(finding, Finding)
        assert f"{finding.code}: {finding.message} {finding.remedy}" in result.printed


def test_two_ranks_are_one_run(result_of):
    result = result_of("ddp")
    assert [run.name for run in result.runs] == ["planned", "default"]
    assert result.printed.count("planned peak") == 1
    assert "An update sees 2 x 16 images" in result.printed


def test_the_first_layers_keep_their_share_of_the_rate(result_of):
    result = result_of("fine_tuning")
    tuned = next(run for run in result.runs if run.name == "fine-tuning")
    first, last = tuned.facts["group_lr"]
    assert first / last == pytest.approx(0.3)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_its_docstring_says_which_extras_it_needs_and_how_to_run_it(name):
    source = (EXAMPLES / f"{name}.py").read_text()
    extras = {"transformers_trainer": ",transformers", "lightning_module": ",lightning"}
    extras["keras_model"] = ",keras"
    assert f"pip install 'learnrate[examples{extras.get(name, '')}]'" in source
    assert re.search(rf"(python|torchrun .*) {name}\.py", source)
    assert len(source.splitlines()) <= 150  # short enough to copy


def test_the_page_lists_every_example_with_its_extras():
    page = (ROOT / "docs" / "examples.md").read_text()
    for name in SMALL:
        (extras,) = re.findall(rf"\| `{name}.py` \|.*\| `(.*)` \|", page)
        assert f"'learnrate[{extras}]'" in (EXAMPLES / f"{name}.py").read_text()
