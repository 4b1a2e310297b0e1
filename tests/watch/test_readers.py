"""Logs that the real tools wrote (see logs/write_logs.py): whole, cut off, and other files."""

import gzip
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from learnrate import FileError
from learnrate.watch import diagnose
from learnrate.watch.readers import READERS, Names, Reader, read_runs

LOGS = Path(__file__).parent / "logs"


def loss_of(step):
    return 0.2 + 2.1 * math.exp(-step / 12)


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(gzip.decompress((LOGS / "mlflow.db.gz").read_bytes()))
    return path


def test_tensorboards_files_of_a_resumed_run_are_one_run():
    (run,) = read_runs(LOGS / "tensorboard")
    assert run.step.tolist() == list(range(80))
    assert run.facts["resumed_at"] == [40]
    expected = [loss_of(step) + 0.001 * (step >= 40) for step in range(80)]
    assert run.column("loss") == pytest.approx(expected, rel=1e-6)
    assert run.column("lr")[0] == pytest.approx(0.1)
    assert np.flatnonzero(~np.isnan(run.column("validation"))).tolist() == list(range(7, 80, 8))
    assert diagnose(run).findings == ()


def test_an_event_file_cut_off_in_a_record_keeps_the_earlier_values(tmp_path):
    whole = (LOGS / "tensorboard" / "events.out.tfevents.0").read_bytes()
    (tmp_path / "events.out.tfevents.0").write_bytes(whole[: len(whole) // 2])
    (run,) = read_runs(tmp_path)
    assert 15 < run.step.size < 35
    assert run.column("loss")[:10] == pytest.approx([loss_of(s) for s in range(10)], rel=1e-6)


def test_an_event_file_with_a_wrong_byte_in_its_middle_is_refused(tmp_path):
    content = bytearray((LOGS / "tensorboard" / "events.out.tfevents.0").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "events.out.tfevents.0").write_bytes(content)
    with pytest.raises(FileError, match=r"damaged at byte [\d,]+: .*head -c \d+ events"):
        read_runs(tmp_path)


def test_an_event_file_is_read_as_tensorboard_reads_it(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    file = tmp_path / "events.out.tfevents.0"
    file.write_bytes((LOGS / "tensorboard" / "events.out.tfevents.0").read_bytes())
    expected = EventAccumulator(str(file)).Reload()
    (run,) = read_runs(file)
    for tag, column in (("train/loss", "loss"), ("train/lr", "lr")):
        scalars = expected.Scalars(tag)
        values = run.column(column)[: len(scalars)].tolist()
        assert [scalar.value for scalar in scalars] == values


@pytest.mark.parametrize("content", [b"", b"\x00" * 500, bytes(range(256)) * 40])
def test_a_file_that_only_has_the_name_of_an_event_file_is_refused(tmp_path, content):
    file = tmp_path / "events.out.tfevents.1"
    file.write_bytes(content)
    with pytest.raises(FileError, match=r"has no scalars|is not an event file"):
        read_runs(file)


def test_the_last_checkpoint_of_transformers_has_the_whole_run():
    (run,) = read_runs(LOGS / "transformers")
    assert (run.step.tolist(), run.total_steps) == (list(range(40)), 40)
    assert run.facts["steps_per_epoch"] == 8
    expected = [0.01 * (40 - step) / 40 for step in range(40)]
    assert run.column("lr") == pytest.approx(expected, rel=1e-6)  # as each update used it
    assert {"loss", "validation", "gradient_norm"} < set(run.columns)


def test_a_trainer_state_that_is_cut_off_or_another_json_is_refused(tmp_path):
    whole = (LOGS / "transformers" / "checkpoint-40" / "trainer_state.json").read_text()
    state = tmp_path / "trainer_state.json"
    state.write_text(whole[: len(whole) // 2])
    with pytest.raises(FileError, match="is not complete JSON"):
        read_runs(state)
    state.write_text('{"log_history": 3}')
    with pytest.raises(FileError, match="no list called log_history"):
        read_runs(state)
    state.write_text('{"log_history": [{"epoch": 1.0}]}')
    with pytest.raises(FileError, match="has no logged numbers"):
        read_runs(state)


def test_lightnings_csv_has_its_rates_losses_and_validations_on_their_own_rows():
    (run,) = read_runs(LOGS / "lightning_logs")
    assert run.run.endswith("version_0")
    assert run.step[-1] == 79
    assert np.isfinite(run.column("loss")).sum() == 80
    assert np.isfinite(run.column("validation")).sum() == 8
    assert run.column("lr")[0] == pytest.approx(0.1)


def test_a_keras_log_has_one_row_for_each_epoch():
    (run,) = read_runs(LOGS / "keras.csv")
    assert run.step.tolist() == list(range(30))
    assert set(run.columns) == {"loss", "lr", "validation"}
    assert run.facts["step_unit"] == "epoch"
    assert diagnose(run).findings == ()


def test_mlflows_database_holds_its_runs_by_name(database):
    first, broken = read_runs(database)
    assert (first.run, broken.run) == ("mlflow.db/first", "mlflow.db/broken")
    assert first.column("loss") == pytest.approx([loss_of(step) for step in range(80)])
    assert np.isinf(broken.column("loss")[40:]).all()
    assert diagnose(broken).codes() == ["LR101"]


def test_mlflows_folders_hold_the_same_as_its_database(database):
    by_name = {run.run.split("/")[-1]: run for run in read_runs(LOGS / "mlruns")}
    for expected in read_runs(database):
        actual = by_name[expected.run.split("/")[-1]]
        assert actual.step.tolist() == expected.step.tolist()
        assert np.array_equal(actual.column("loss"), expected.column("loss"))


def test_a_metric_of_mlflow_that_is_cut_off_keeps_the_earlier_values(tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(LOGS / "mlruns" / "first", folder)
    metric = folder / "metrics" / "train_loss"
    metric.write_text(metric.read_text()[:-6])
    (run,) = read_runs(folder)
    assert np.isfinite(run.column("loss")).sum() == 79
    metric.write_text("no metric\n" + metric.read_text())
    with pytest.raises(FileError, match="line 1, must be a time, a value and a step"):
        read_runs(folder)


def test_mlflows_metrics_of_the_machine_are_not_read(database, tmp_path):
    """They are sampled at steps of their own, and a name such as system/gpu_loss is not a loss."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database)) as writer, writer:
        writer.execute(
            "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) "
            "SELECT 'system/packet_loss', 9.0, 0, run_uuid, 1000, 0 FROM runs"
        )
    folder = tmp_path / "first"
    shutil.copytree(LOGS / "mlruns" / "first", folder)
    (folder / "metrics" / "system").mkdir()
    (folder / "metrics" / "system" / "packet_loss").write_text("0 9.0 1000\n")
    names = Names(validation="system/packet_loss")
    for log in (database, folder):
        assert read_runs(log)[0].step[-1] == 79
        with pytest.raises(FileError, match=r"has no series 'system/packet_loss'"):
            read_runs(log, names)


def test_another_database_is_not_a_log(tmp_path):
    import sqlite3
    from contextlib import closing

    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE runs (x)")
    with pytest.raises(FileError, match="is not a log that can be read"):
        read_runs(path)


def written(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


TABLE = "step;train loss;learning rate;note\n0;2.0;0.1;a\n10;;0.1;\n20;1.5;nan;x\n30;nan;0.1;"


def test_a_table_may_have_any_usual_separator_texts_and_empty_cells(tmp_path):
    (run,) = read_runs(written(tmp_path, TABLE))
    assert run.step.tolist() == [0, 10, 20, 30]
    assert np.array_equal(run.column("loss"), [2.0, np.nan, 1.5, np.inf], equal_nan=True)
    assert np.array_equal(run.column("lr"), [0.1, 0.1, np.nan, 0.1], equal_nan=True)


def test_a_row_cut_off_is_left_out(tmp_path):
    (run,) = read_runs(written(tmp_path, "step,loss,lr\n0,2.0,0.1\n1,1.9"))
    assert run.column("loss").tolist() == [2.0, 1.9]
    assert np.isnan(run.column("lr")[1])


def test_steps_written_twice_have_the_latest_value(tmp_path):
    log = "step,loss,lr\n0,9,1\n1,8,1\n2,7,1\n3,6,1\n4,5,1\n2,3,1\n3,2,1\n3,1,1\n"
    (run,) = read_runs(written(tmp_path, log))
    assert run.step.tolist() == [0, 1, 2, 3]
    assert run.column("loss").tolist() == [9, 8, 3, 1]
    assert run.facts["resumed_at"] == [2]


def test_json_lines_may_nest_and_end_in_the_middle(tmp_path):
    lines = [json.dumps({"step": step, "train": {"loss": 2.0 - step}}) for step in range(2)]
    (run,) = read_runs(written(tmp_path, "\n".join(lines) + '\n{"step": 2, "tr', "log.jsonl"))
    assert run.column("loss").tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("log.jsonl", '{"step": 1, "loss": 2}\nnonsense\n{"step": 2, "loss": 2}\n', "line 2, is"),
        ("log.jsonl", "[1, 2]\n", "line 1, is not a JSON object"),
        ("log.jsonl", "", "has no JSON objects"),
        ("log.csv", "step,loss\n", "has a header and no rows"),
        ("log.csv", "step,apples\n1,2\n", "no series that looks like a loss.*'apples'"),
        ("log.csv", "step,loss_a,loss_b\n1,2,3\n", "several series that may be the training loss"),
        ("log.csv", "step,loss\n-1,2\n", "whole number of at least 0; got -1"),
        ("log.csv", "step,loss\n0.5,2\n", "whole number of at least 0; got 0.5"),
        ("log.csv", "1,2\n3,4\n", "is not a log that can be read"),
        ("log.pkl", "\x80\x04", "is not a log that can be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path, name, text, why):
    with pytest.raises(FileError, match=why):
        read_runs(written(tmp_path, text, name))


def test_steps_are_read_up_to_the_largest_that_floats_count_exactly(tmp_path):
    (run,) = read_runs(written(tmp_path, f"step,loss\n0,2\n{2**53},1\n"))
    assert run.step.tolist() == [0, 2**53]
    with pytest.raises(
        FileError, match=r"column 'step': a step must be at most 2\*\*53; got 9007199"
    ):
        read_runs(written(tmp_path, f"step,loss\n0,2\n{2**53 + 2},1\n"))


def test_given_names_are_used_and_must_be_in_the_log(tmp_path):
    log = written(tmp_path, "n,a,b\n0,2.0,0.1\n1,1.0,0.2\n")
    (run,) = read_runs(log, Names(step="n", loss="a", lr="b"))
    assert run.column("loss").tolist() == [2.0, 1.0]
    with pytest.raises(FileError, match=r"no series 'c' \(--loss\); it has 'a', 'b'"):
        read_runs(log, Names(step="n", loss="c"))
    with pytest.raises(FileError, match=r"no column 'm' \(--step\)"):
        read_runs(log, Names(step="m"))


def test_a_log_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,loss\n" + "0,1\n" * 2000)
    with path.open("r+b") as file:
        file.truncate(3 * 2**30)  # sparse: takes no room
    with pytest.raises(FileError, match=r"3,072 MiB.*up to 2,048 MiB.*every tenth row"):
        read_runs(path)


def test_all_runs_in_a_folder_are_read_and_other_logs_are_reported(tmp_path):
    shutil.copytree(LOGS, tmp_path / "all", ignore=shutil.ignore_patterns("*.py", "*.gz"))
    (tmp_path / "all" / "broken.jsonl").write_text("nonsense\n")
    (tmp_path / "all" / "data.csv").write_text("height,width\n1,2\n")
    problems = []
    found_runs = read_runs(tmp_path / "all", problem=problems.append)
    assert len(found_runs) == 6  # tensorboard, transformers, lightning, keras, two of mlflow
    (sentence,) = problems
    assert "broken.jsonl, line 1" in sentence
    with pytest.raises(FileError, match=r"broken\.jsonl"):
        read_runs(tmp_path / "all")


def test_a_folder_without_logs_and_a_path_that_does_not_exist_are_refused(tmp_path):
    with pytest.raises(FileError, match="has no runs: it contains no log"):
        read_runs(tmp_path)
    with pytest.raises(FileError, match="does not exist"):
        read_runs(tmp_path / "nowhere")


def test_no_log_is_recognised_by_the_readers_of_two_tools(database):
    for path in (database, *LOGS.rglob("*")):
        names = [
            reader.name for reader in READERS if not reader.any_tool and reader.recognises(path)
        ]
        assert len(names) <= 1, path


def test_readers_of_formats_that_any_tool_writes_are_tried_last():
    assert [reader.any_tool for reader in READERS] == sorted(reader.any_tool for reader in READERS)
    assert {reader.name for reader in READERS if reader.any_tool} == {
        "CSV table",
        "JSON document",
        "JSON lines",
        "Parquet table",
    }


def test_a_reader_of_another_package_is_tried_first(tmp_path):
    (known,) = read_runs(LOGS / "keras.csv")
    mine = Reader(
        name="mine",
        recognises=lambda path: path.suffix == ".mine",
        read=lambda path, names: [known],
    )
    path = written(tmp_path, "anything", "a.mine")
    assert read_runs(path, readers=(mine, *READERS)) == [known]


def test_a_log_of_summary_writer_is_read_as_it_was_written(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar("loss", float("nan") if step == 2 else 1.0, step, new_style=True)
    (run,) = read_runs(tmp_path)
    assert run.column("loss").tolist() == [1.0, 1.0, math.inf]
