"""`learnrate diagnose`: what is printed, what is refused, and the exit status."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import learnrate
from command import command_in
from learnrate.run import Measure
from learnrate.store import Store
from learnrate.watch import RULES

LOGS = Path(__file__).parents[1] / "watch" / "logs"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command; its exit status, standard output and error."""
    return command_in(tmp_path, monkeypatch, capsys, "diagnose")


@pytest.fixture
def table(tmp_path):
    """Write a table of 200 rows with this loss and rate; by default a healthy run."""

    def write(name="log.csv", **columns):
        step = np.arange(200)
        loss = 0.2 + 2.0 * np.exp(-step / 20)
        table = {"step": step, "loss": loss, "lr": 0.1 * (1 - step / 200)} | columns
        lines = zip(*table.values(), strict=True)
        rows = [",".join(f"{value:g}" for value in row) for row in lines]
        path = tmp_path / name
        path.write_text("\n".join([",".join(table), *rows]) + "\n")
        return path

    return write


def test_a_healthy_run_is_reported_as_such_and_exits_with_0(run, table):
    code, out, _ = run(table())
    assert code == 0
    assert "200 rows: nothing found" in " ".join(out.split())
    assert "rules could not run (--reasons says why)" in out
    assert "LR401: no validation was recorded" not in " ".join(out.split())
    _, out, _ = run(table(), "--reasons")
    assert "LR401: no validation was recorded" in " ".join(out.split())


def test_a_run_in_a_store_that_is_read_as_a_log_is_compared_with_its_schedule_as_edited(
    run, tmp_path
):
    weight = torch.nn.Parameter(torch.linspace(1, 2, 3))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    place, schedule = tmp_path / "a.db", "0.1 * constant(60) >> linear(140)"
    with learnrate.attach(
        optimizer, schedule, store=place, measure=Measure(gradient_every=0)
    ) as steered:
        while not steered.done:
            if steered.next_step == 100:
                steered.steer("follow 0.04 * cosine(200)", author="ann")
            optimizer.zero_grad()
            loss = weight.square().sum() + 0.1
            loss.backward()
            optimizer.step()
            steered.step(loss)
    code, out, _ = run(place, "--json")
    assert (code, json.loads(out)) == (0, [])


def test_a_finding_is_reported_in_words_with_a_remedy_and_a_plot(run, table):
    code, out, _ = run(table(lr=np.full(200, 0.1)))
    assert code == 0  # a warning
    assert "LR302 advice: the rate never decayed" in out
    assert "do  A linear or cosine decay to 0 by the end of the run" in out
    assert "learning rate (mark: step 0)" in out


def test_an_error_exits_with_1(run, table):
    code, out, _ = run(table(loss=np.where(np.arange(200) < 150, 1.0, np.nan)))
    assert code == 1
    assert "LR101 error: the loss diverged" in out


@pytest.mark.parametrize("order", [("bad.csv", "good.csv"), ("good.csv", "bad.csv")])
def test_an_error_in_any_of_several_logs_exits_with_1(run, table, order):
    table("good.csv")
    table("bad.csv", loss=np.where(np.arange(200) < 150, 1.0, np.nan))
    code, out, _ = run(*order, "--json")
    assert (code, [finding["run"] for finding in json.loads(out)]) == (1, ["bad.csv"])
    assert run("good.csv", "good.csv", "--json")[0] == 0


def test_json_is_one_list_of_findings_and_nothing_else(run, table):
    table(lr=np.full(200, 0.1))
    code, out, _ = run("log.csv", "--json")
    (finding,) = json.loads(out)
    assert code == 0
    assert list(finding) == ["run", "code", "severity", "step", "message", "evidence", "remedy"]
    assert (finding["run"], finding["code"], finding["severity"]) == (
        "log.csv",
        "LR302",
        "advice",
    )
    assert run(table("healthy.csv"), "--json")[1] == "[]\n"


def test_rules_are_chosen_and_left_out(run, table):
    table(lr=np.full(200, 0.1))
    assert run("log.csv", "--ignore", "LR302", "--json")[1] == "[]\n"
    assert run("log.csv", "--only", "LR101", "--only", "LR201", "--json")[1] == "[]\n"


def test_what_the_log_lacks_can_be_added(run, table):
    table(lr=np.full(200, 0.1), loss=2.3 + 0.01 * np.cos(np.arange(200)))
    findings = json.loads(run("log.csv", "--classes", 10, "--json")[1])
    assert [finding["code"] for finding in findings] == ["LR402"]
    code, out, _ = run(
        "log.csv",
        "--schedule",
        "0.1 * cosine()",
        "--total-steps",
        200,
        "--only",
        "LR308",
        "--json",
    )
    assert [finding["code"] for finding in json.loads(out)] == ["LR308"]
    assert code == 1


def test_the_names_of_the_series_can_be_given(run, tmp_path):
    rows = "\n".join(f"{step},{2.0 - step / 100},0.1" for step in range(100))
    (tmp_path / "odd.csv").write_text(f"n,apples,pears\n{rows}\n")
    code, out, _ = run("odd.csv", "--step", "n", "--loss", "apples", "--lr", "pears")
    assert code == 0
    assert "100 rows" in out


def test_a_page_is_saved_that_loads_nothing(run, table, tmp_path):
    table(lr=np.full(200, 0.1))
    code, out, _ = run("log.csv", LOGS / "keras.csv", "--html", "page.html")
    assert code == 0
    assert "saved page.html" in out
    page = (tmp_path / "page.html").read_text()
    assert "<h1>1 finding in 2 runs</h1>" in page
    assert 'id="run-0-LR302"' in page
    assert "<script src" not in page


def test_a_file_of_a_folder_that_cannot_be_read_is_reported_and_the_rest_is_read(
    run, table, tmp_path
):
    table("good.csv")
    (tmp_path / "bad.jsonl").write_text("nonsense\n")
    code, out, err = run(tmp_path)
    assert code == 0
    assert "good.csv" in out
    assert err.startswith("learnrate diagnose: left out: ")
    assert "bad.jsonl, line 1, is not a JSON object" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["notes.txt"], "is not a log that can be read"),
        (["empty.csv"], "empty.csv is empty."),
        (["log.csv", "--only", "LR1"], "no rule has the code 'LR1'"),
        (["log.csv", "--loss", "cost"], "no series 'cost' (--loss)"),
        (["log.csv", "--total-steps", "0"], "--total-steps must be at least 1; got 0"),
        (["log.csv", "--total-steps", "10"], "--total-steps must be at least"),
        (["log.csv", "--classes", "1"], "--classes must be at least 2; got 1"),
        (["log.csv", "--schedule", "0.1 * cosine()"], "add --total-steps N"),
    ],
)
def test_misuse_is_one_clear_sentence_and_exits_with_2(run, table, tmp_path, arguments, message):
    table()
    (tmp_path / "notes.txt").write_text("dear diary\n")
    (tmp_path / "empty.csv").touch()
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err.replace("\n", " ")
    assert err.count("\n") == 1


class WithoutTensorboard:
    """What importing finds where the package is not installed."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "tensorboard":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_without_tensorboard_the_message_says_how_to_install_it(run, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [WithoutTensorboard, *sys.meta_path])
    code, _, err = run(LOGS / "tensorboard")
    assert code == 2
    assert "pip install 'learnrate[tensorboard]'" in err


@pytest.fixture
def stored(tmp_path):
    """A store with a run that diverged and a healthy one."""
    store = Store(tmp_path / "runs.db")
    step = np.arange(300)
    healthy = 0.2 + 2.0 * np.exp(-step / 30)
    for name, loss in {"bad": np.where(step < 100, healthy, np.inf), "good": healthy}.items():
        run = store.new_run(name=name, total_steps=300, schedule=None, limits={}, facts={})
        columns = {"loss": loss, "lr": 0.1 * (1 - step / 300)}
        store.write_points(run, step, columns)
        store.set_status(run, "finished")
    return store


def test_a_stored_run_is_diagnosed_by_its_id_or_as_the_last(run, stored):
    bad = stored.runs()[1].id
    code, out, _ = run("--run", bad, "--store", "runs.db", "--json")
    assert (code, {finding["run"] for finding in json.loads(out)}) == (1, {bad})
    assert [finding["code"] for finding in json.loads(out)] == ["LR101"]
    assert run("--run", "last", "--store", "runs.db", "--json")[:2] == (0, "[]\n")


def test_a_store_is_a_log_like_any_other_and_all_its_runs_are_read(run, stored):
    code, out, _ = run("runs.db", "--json")
    assert (code, [finding["run"] for finding in json.loads(out)]) == (1, [stored.runs()[1].id])


def test_live_findings_and_resumes_of_a_stored_run_are_part_of_its_diagnosis(run, stored):
    good = stored.runs()[0].id
    rule = next(rule for rule in RULES if rule.code == "LR102")
    spiked = rule.finding(
        step=30, message="The loss spiked.", evidence={"spikes": 4}, remedy="Wait."
    )
    stored.add_finding(good, spiked)
    code, out, _ = run("--run", good, "--store", "runs.db")
    assert code == 0
    assert "nothing found" in out
    assert "Found while the run was live" in out
    assert "The loss spiked." in out
    (row,) = json.loads(run("--run", good, "--store", "runs.db", "--json")[1])
    assert (row["code"], row["reported_live"]) == ("LR102", True)
    assert run("--run", good, "--store", "runs.db", "--json", "--ignore", "LR102")[1] == "[]\n"

    rate = 0.1 * (1 - np.arange(100, 300) / 300)
    stored.begin_attempt(good, 150, "resumed")
    stored.begin_attempt(good, 100, "resumed")
    stored.write_points(good, np.arange(100, 300), {"loss": np.full(200, 0.2), "lr": 3 * rate})
    assert stored.observations(good).facts["resumed_at"] == [100]
    code, out, _ = run("--run", good, "--store", "runs.db", "--json", "--only", "LR305")
    assert [(row["severity"], row["step"]) for row in json.loads(out)] == [("error", 100)]


def test_a_command_with_neither_a_path_nor_a_run_is_refused(run):
    code, _, err = run()
    assert code == 2
    assert "--run last" in err


def refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


def test_a_real_run_that_diverged_to_nan_is_valid_json(run, tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    x = torch.randn(200, 32, 8)
    place, unlimited = tmp_path / "a.db", {"clip_norm": float("inf")}
    with learnrate.attach(optimizer, 30.0, total_steps=200, store=place, facts=unlimited) as live:
        for batch in x:
            optimizer.zero_grad()
            loss = (model(batch) - batch.sum(1, keepdim=True)).pow(2).mean()
            loss.backward()
            optimizer.step()
            live.step(loss, clipped=True)
    code, out, _ = run("--run", "last", "--store", place, "--json")
    findings = {
        finding["code"]: finding for finding in json.loads(out, parse_constant=refuse_constant)
    }
    assert code == 1
    assert findings["LR101"]["evidence"]["not_finite_rows"] > 100
    code, out, _ = run("--run", "last", "--store", place, "--json", "--only", "LR105")
    (clipped,) = json.loads(out, parse_constant=refuse_constant)
    assert clipped["evidence"]["clip_norm"] is None
    live_codes = [finding.code for finding in Store(place).findings(live.id)]
    assert live_codes in (
        ["LR101"],
        ["LR109", "LR101"],
    )  # LR109 if it was seen before the loss was NaN


def test_a_table_of_losses_that_are_not_finite_is_valid_json(run, table):
    loss = np.where(np.arange(200) < 120, 1.0, np.nan)
    code, out, _ = run(table(loss=loss, lr=np.where(loss == 1.0, 0.1, np.inf)), "--json")
    (finding,) = json.loads(out, parse_constant=refuse_constant)
    assert (code, finding["code"], finding["step"]) == (1, "LR101", 120)


def test_the_guessed_columns_are_printed_with_the_flags_that_change_them(run, table):
    code, out, _ = run(table(name="log.csv", val_loss=np.linspace(2.0, 1.0, 200)))
    assert code == 0
    assert (
        "read as: loss 'loss' (--loss), rate 'lr' (--lr), validation 'val_loss' (--validation), "
        "step 'step' (--step)"
    ) in " ".join(out.split())
    _, out, _ = run(table(), "--loss", "lr")
    assert "loss 'lr' (--loss), rate 'lr' (--lr), no validation (--validation)" in " ".join(
        out.split()
    )


def test_a_path_that_cannot_be_read_does_not_hide_the_others_and_exits_with_2(
    run, table, tmp_path
):
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    code, out, err = run(empty, table())
    assert code == 2
    assert "200 rows" in out
    assert err.count("left out") == 1
    assert "empty.csv" in err


def test_damaged_logs_of_a_folder_are_named_and_the_others_decide_the_exit_status(
    run, table, tmp_path
):
    (tmp_path / "deep.jsonl").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    (tmp_path / "cut.json").write_text('{"log_history": [{"loss": 1')
    (tmp_path / "empty.csv").write_text("")
    table(name="good.csv")
    code, out, err = run(tmp_path)
    assert code == 0
    assert "good.csv" in out
    assert "deep.jsonl, line 1, has objects nested too deeply" in err
    assert "cut.json is not complete JSON" in err
    assert "Traceback" not in err
    table(name="diverged.csv", loss=np.full(200, np.nan))
    code, out, _ = run(tmp_path)
    assert code == 1
    assert "good.csv" in out
    assert "LR101" in out
