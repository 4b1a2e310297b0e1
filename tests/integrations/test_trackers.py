"""What a run records, read back from the trackers' own files."""

import contextlib
import json
import socket
import sqlite3
import struct
import subprocess
import sys

import numpy as np
import pytest

import learnrate

torch = pytest.importorskip("torch")


@pytest.fixture
def trained(tmp_path):
    """Train 40 updates with some sinks; what the store holds of the run."""

    def train(*sinks):
        weight = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.SGD([weight], lr=0.1)
        run = learnrate.attach(optimizer, "0.1 * linear(40)", store=tmp_path / "runs.db")
        run.observers.extend(sinks)
        for step in range(40):
            optimizer.zero_grad()
            loss = weight.square().sum()
            loss.backward()
            optimizer.step()
            run.step(loss)
            if step % 10 == 9:
                run.validation(loss)
        run.finish()
        return learnrate.Store(tmp_path / "runs.db").observations(run.id)

    return train


def expected(seen, name):
    held = seen.column(name)
    known = ~np.isnan(held)
    return dict(zip(seen.step[known].tolist(), held[known].tolist(), strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_has_every_row(tmp_path, trained):
    from learnrate.integrations.tensorboard import TensorBoardSink

    seen = trained(TensorBoardSink(tmp_path / "events"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "events")).Reload()
    for name in ("lr", "loss", "validation", "seconds"):
        found = {one.step: one.value for one in events.Scalars(f"learnrate/{name}")}
        assert found == pytest.approx(expected(seen, name), rel=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_mlflow_has_every_row_and_its_run_is_ended(tmp_path, trained, monkeypatch):
    import mlflow

    from learnrate.integrations.mlflow import MlflowSink

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    place = (tmp_path / "mlruns").as_uri()
    sink = MlflowSink(tracking_uri=place)
    seen = trained(sink)
    client = mlflow.MlflowClient(place)
    for name in ("lr", "loss", "validation"):
        found = client.get_metric_history(sink.run_id, f"learnrate/{name}")
        assert {one.step: one.value for one in found} == pytest.approx(expected(seen, name))
    assert client.get_run(sink.run_id).info.status == "FINISHED"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_wandb_offline_has_every_row(tmp_path, trained, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    from learnrate.integrations.wandb import WandbSink

    sink = WandbSink(project="p", mode="offline", dir=str(tmp_path))
    seen = trained(sink)
    found = {name: {} for name in ("lr", "loss", "validation")}
    for row in logged(tmp_path):
        for name, held in found.items():
            if f"learnrate/{name}" in row:
                held[int(row["learnrate/step"])] = row[f"learnrate/{name}"]
    for name, held in found.items():
        assert held == pytest.approx(expected(seen, name))


def logged(folder):
    """The rows of the one offline run in a folder: protocol buffers in LevelDB's log format."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    data, at, held = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # no header fits into what is left of the block
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        held += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in {1, 4}:  # a whole record, or the last piece of one
            record = wandb_internal_pb2.Record.FromString(held)
            held = b""
            items = record.history.item
            yield {
                one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in items
            }


@pytest.fixture(scope="module")
def trackio_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trackio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(folder))  # which trackio reads once, when it is imported
        for name in ("HF_TOKEN", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
            patch.delenv(name, raising=False)
        yield folder


def kept(folder, project, name):
    """A value by step, of the one run of a Trackio project."""
    with contextlib.closing(sqlite3.connect(folder / f"{project}.db")) as database:
        held = database.execute("SELECT step, metrics FROM metrics").fetchall()
        assert database.execute("SELECT count(DISTINCT run_id) FROM metrics").fetchone() == (1,)
    rows = ((step, json.loads(metrics)) for step, metrics in held)
    return {step: values[name] for step, values in rows if name in values}


@pytest.fixture
def connections(monkeypatch):
    """Where sockets were connected to, or listened."""
    found = []
    for name in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, name, lambda _, place: found.append(place))
    return found


def test_trackio_has_every_row_in_its_folder_and_nothing_is_sent(
    trackio_folder, trained, connections, capsys
):
    from learnrate.integrations.trackio import TrackioSink

    seen = trained(TrackioSink(project="p"))
    assert "Run finished" in capsys.readouterr().out
    for name in ("lr", "loss", "validation"):
        found = kept(trackio_folder, "p", f"learnrate/{name}")
        assert found == pytest.approx(expected(seen, name))
    assert connections == []


def test_a_trackio_run_of_ones_own_goes_on_beside_the_sinks(trackio_folder, trained):
    import trackio

    from learnrate.integrations.trackio import TrackioSink

    trackio.init("mine", embed=False, auto_log_cpu=False, auto_log_gpu=False)
    seen = trained(TrackioSink(project="beside"))
    trackio.log({"epoch": 3})
    trackio.finish()
    assert kept(trackio_folder, "mine", "epoch") == {0: 3}
    assert len(kept(trackio_folder, "beside", "learnrate/lr")) == len(seen.step)


def test_a_trackio_run_that_is_handed_over_is_not_finished(trackio_folder, trained, capsys):
    import trackio

    from learnrate.integrations.trackio import TrackioSink

    run = trackio.init("handed", embed=False, auto_log_cpu=False, auto_log_gpu=False)
    seen = trained(TrackioSink(run, prefix=""))
    assert "Run finished" not in capsys.readouterr().out
    trackio.finish()
    assert kept(trackio_folder, "handed", "loss") == pytest.approx(expected(seen, "loss"))


def test_a_tracker_that_fails_stops_nothing(trained):
    class Broken:
        def __call__(self, seen):
            raise OSError("no space left")

        def close(self):
            raise OSError("still none")

    with pytest.warns(RuntimeWarning, match="no space left"):
        seen = trained(Broken())
    assert seen.step.tolist() == list(range(40))


@pytest.mark.parametrize(
    ("package", "sink"),
    [
        ("tensorboard", "TensorBoardSink('x')"),
        ("mlflow", "MlflowSink()"),
        ("wandb", "WandbSink()"),
        ("trackio", "TrackioSink()"),
    ],
)
def test_without_its_package_a_sink_says_how_to_get_it(package, sink):
    code = (
        f"import sys; sys.modules['{package}'] = None\n"
        f"import learnrate\nfrom learnrate.integrations.{package} import *\n"
        f"try:\n    {sink}\nexcept learnrate.MissingExtraError as error:\n    print(error)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert f"pip install 'learnrate[{package}]'" in found.stdout
