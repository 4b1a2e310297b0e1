"""Logs that are damaged, empty, huge in value or random: a reading, or one clear sentence."""

import contextlib
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learnrate import FileError, LearnrateError
from learnrate.watch import RULES, Observations, Watcher, diagnose
from learnrate.watch._diagnose import diagnose_reading
from learnrate.watch._reading import Reading
from learnrate.watch._registry import Options
from learnrate.watch.readers import read_runs

HERE = Path(__file__).parent
LOGS = [
    path
    for folder in ("cases", "logs")
    for path in sorted((HERE / folder).rglob("*"))
    if path.is_file() and path.suffix not in {".py", ".gz"} and path.stat().st_size < 200_000
]
ENDINGS = [".csv", ".tsv", ".txt", ".log", ".json", ".jsonl", ".parquet", "", ".tfevents.1"]
UNEXPECTED = "cannot be read as"  # what the sentence says of an error that no reader expects


def read_or_refused(path):
    """Read a log; a refusal must be one sentence about it, and none that nobody foresaw."""
    runs, refusal = [], None
    try:
        runs = read_runs(path)
    except LearnrateError as error:
        refusal = str(error)
    if refusal is not None:
        assert UNEXPECTED not in refusal
        assert path.name in refusal
        assert "\n" not in refusal
    for run in runs:
        assert (np.diff(run.step) > 0).all()
        with np.errstate(all="ignore"):
            diagnose(run)


FUZZED = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@FUZZED
@given(content=st.binary(max_size=400), ending=st.sampled_from(ENDINGS))
def test_random_bytes_are_read_or_refused_in_a_sentence(content, ending, tmp_path):
    path = tmp_path / f"log{ending}"
    path.write_bytes(content)
    read_or_refused(path)


@FUZZED
@given(
    content=st.text(alphabet="0123456789.,;:-+eEnaif{}[]\"' \n\tlosrtepvb/|", max_size=300),
    ending=st.sampled_from(ENDINGS),
    header=st.sampled_from(["", "step,loss,lr\n", "epoch;batch;loss\n", "loss,val_loss\n"]),
)
def test_random_texts_are_read_or_refused_in_a_sentence(content, ending, header, tmp_path):
    path = tmp_path / f"log{ending}"
    path.write_text(header + content)
    read_or_refused(path)


@FUZZED
@given(log=st.sampled_from(LOGS), seed=st.integers(0, 2**32 - 1))
def test_good_logs_with_random_damage_are_read_or_refused_in_a_sentence(log, seed, tmp_path):
    draw = random.Random(seed)
    content = bytearray(log.read_bytes()[:20_000])
    for _ in range(draw.randrange(1, 6)):
        first = draw.randrange(len(content))
        match draw.randrange(4):
            case 0:
                content[first] = draw.randrange(256)
            case 1:
                del content[first : first + draw.randrange(1, 50)]
            case 2:
                content[first:first] = draw.choice(
                    [b"nan", b"1e308", b"-inf", b"\n", b",", b'"', b"{", b"1e400", b"-1", b"\x00"]
                )
            case _:
                content[first:first] = content[: draw.randrange(1, 200)]
        if not content:
            content = bytearray(b"x")
    path = tmp_path / log.name
    path.write_bytes(content)
    read_or_refused(path)


def table(loss, *, rows=60):
    return "step,loss,lr\n" + "".join(f"{i},{loss(i)},0.1\n" for i in range(rows))


DAMAGED = {
    "empty.csv": "",
    "header.csv": "step,loss,lr\n",
    "deep.jsonl": '{"a":' * 100_000 + "1" + "}" * 100_000 + "\n",
    "deep.json": "[" * 100_000 + "]" * 100_000,
    "digits.jsonl": '{"step": ' + "9" * 5000 + ', "loss": 1}\n' * 2,
    "list.jsonl": "[1, 2]\n",
    "texts.csv": "step,loss\nx,y\nz,w\n",
    "empty_cells.csv": "step,loss,lr\n" + "0,,\n" * 30,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_an_unreadable_log_does_not_hide_the_others_in_its_folder(name, tmp_path):
    (tmp_path / name).write_text(DAMAGED[name])
    (tmp_path / "good.csv").write_text(table(lambda i: 1 / (1 + i)))
    with pytest.raises(FileError, match=name):
        read_runs(tmp_path / name)
    problems = []
    (run,) = read_runs(tmp_path, problem=problems.append)
    assert run.step.size == 60
    assert len(problems) <= 1  # none if it does not look like a log at all
    assert all(name in sentence for sentence in problems)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e308", "-1e308", "1e400", "0"])
def test_a_loss_of_one_extreme_value_is_read_and_diagnosed(value, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(table(lambda _: value))
    (run,) = read_runs(path)
    expected = float(value) if math.isfinite(float(value)) else math.inf
    assert run.column("loss").tolist() == [expected] * 60
    assert diagnose(run).run == str(path)


def test_a_log_without_a_finite_validation_keeps_its_training_loss(tmp_path):
    path = tmp_path / "log.jsonl"
    rows = ({"step": i, "loss": 1 / (1 + i), "val_loss": math.nan} for i in range(60))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run,) = read_runs(path)
    assert np.isinf(run.column("validation")).all()
    assert np.isfinite(run.column("loss")).all()


def rows_of(steps, rate="0.1"):
    return "\n".join(["step,loss,lr", *(f"{step},{2 / (1 + step)},{rate}" for step in steps)])


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (rows_of(range(59, -1, -1)), "not in the order of 'step'"),
        (rows_of(np.random.default_rng(0).permutation(60)), "not in the order of 'step'"),
        (rows_of(range(60), rate="-2.5"), "all rates in 'lr' are below 0, as logarithms are"),
        ("step,loss,loss\n0,1.0,0.1\n1,0.9,0.1\n", "2 columns named 'loss'"),
    ],
    ids=["the newest first", "shuffled", "logarithms", "two of one name"],
)
def test_a_table_that_would_be_misread_is_refused(content, refusal, tmp_path):
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(FileError, match=refusal):
        read_runs(tmp_path / "log.csv")


def test_steps_that_restart_in_short_epochs_are_in_order(tmp_path):
    lines = [f"{100 + 100 * (row % 2)},{2 / (1 + row)}" for row in range(60)]
    (tmp_path / "log.csv").write_text("\n".join(["step,loss", *lines]))
    (run,) = read_runs(tmp_path / "log.csv")
    assert run.step.size == 60


def test_thousands_may_be_separated_by_commas_in_quotes(tmp_path):
    lines = [f'"{step:,}",{2 / (1 + step)}' for step in range(0, 60_000, 1000)]
    (tmp_path / "log.csv").write_text("\n".join(["step,loss", *lines]))
    (run,) = read_runs(tmp_path / "log.csv")
    assert run.step.tolist() == list(range(0, 60_000, 1000))


def failing_rules():
    """All rules, of which the first raises."""

    def fail(*_):
        raise ZeroDivisionError("division by zero")

    changes = {"check": fail, "needs": (), "lacks": lambda *_: None}
    return (type("Failing", (type(RULES[0]),), changes)(), *RULES[1:])


def test_a_rule_that_fails_is_a_note_and_the_others_continue():
    steps = np.arange(400)
    columns = {"loss": 2.0 * np.exp(-steps / 30) + 0.1, "lr": np.full(400, 0.1)}
    reading = Reading(Observations(run="a", step=steps, columns=columns))
    rules = failing_rules()
    diagnosis = diagnose_reading(reading, Options(), rules)
    assert "failed with ZeroDivisionError: division by zero" in diagnosis.not_run[rules[0].code]
    assert diagnosis.codes() == diagnose_reading(reading, Options(), RULES[1:]).codes() != []


def test_live_findings_survive_a_rule_that_fails():
    watcher = Watcher("a")
    watcher._rules = failing_rules()
    steps = np.arange(400)
    for row in steps:
        watcher.feed([row], {"loss": [2.0 * math.exp(-row / 30) + 0.1], "lr": [0.1]})
    assert {finding.code for finding in watcher.finish()} <= {rule.code for rule in RULES[1:]}
    assert "ZeroDivisionError" in watcher.diagnosis().not_run[RULES[0].code]
    assert watcher.diagnosis().codes() != []


def test_an_event_file_cut_at_any_byte_gives_the_values_before_it(tmp_path):
    pytest.importorskip("tensorboard")
    whole = (HERE / "logs" / "tensorboard" / "events.out.tfevents.0").read_bytes()[:330]
    path = tmp_path / "events.out.tfevents.0"
    counts = []
    for end in range(1, len(whole)):
        path.write_bytes(whole[:end])
        runs = []
        with contextlib.suppress(FileError):
            runs = read_runs(path)
        counts.append(sum(run.step.size for run in runs))
    assert counts == sorted(counts)
    assert counts[-1] > 0
