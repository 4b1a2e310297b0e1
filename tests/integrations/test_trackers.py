"""The recorded values of a run, read back from the trackers' own files."""

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
from learnrate.store import Sink
from learnrate.watch import Observations
from processes import wait_until

torch = pytest.importorskip("torch")


@pytest.fixture
def trained(tmp_path):
    """A function that trains 40 updates with sinks and returns what the store has of the run."""

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


def expected(observations, name):
    """The values of a column by step."""
    column = observations.column(name)
    known = ~np.isnan(column)
    return dict(zip(observations.step[known].tolist(), column[known].tolist(), strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_has_every_row(tmp_path, trained):
    from learnrate.integrations.tensorboard import TensorBoardSink

    observations = trained(TensorBoardSink(tmp_path / "events"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "events")).Reload()
    for name in ("lr", "loss", "validation", "seconds"):
        actual = {event.step: event.value for event in events.Scalars(f"learnrate/{name}")}
        assert actual == pytest.approx(expected(observations, name), rel=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_mlflow_has_every_row_and_its_run_is_ended(tmp_path, trained, monkeypatch):
    import mlflow

    from learnrate.integrations.mlflow import MlflowSink

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    place = (tmp_path / "mlruns").as_uri()
    sink = MlflowSink(tracking_uri=place)
    observations = trained(sink)
    client = mlflow.MlflowClient(place)
    for name in ("lr", "loss", "validation"):
        history = client.get_metric_history(sink.run_id, f"learnrate/{name}")
        actual = {metric.step: metric.value for metric in history}
        assert actual == pytest.approx(expected(observations, name))
    assert client.get_run(sink.run_id).info.status == "FINISHED"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_mlflow_has_all_metrics_if_one_call_brings_more_than_a_request_may_carry(
    tmp_path, monkeypatch
):
    import mlflow

    from learnrate.integrations.mlflow import MlflowSink

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    place = (tmp_path / "mlruns").as_uri()
    sink = MlflowSink(tracking_uri=place)
    steps = np.arange(1300)
    sink(Observations(run="a", step=steps, columns={"lr": 0.1 + steps, "loss": 1.0 + steps}))
    client = mlflow.MlflowClient(place)
    for name, first in (("lr", 0.1), ("loss", 1.0)):
        history = client.get_metric_history(sink.run_id, f"learnrate/{name}")
        assert [metric.value for metric in history] == (first + steps).tolist()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_an_active_mlflow_run_of_the_user_is_not_ended(tmp_path, trained, monkeypatch):
    import mlflow

    from learnrate.integrations.mlflow import MlflowSink

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    place = (tmp_path / "mlruns").as_uri()
    monkeypatch.setattr(mlflow, "active_run", lambda: run)
    client = mlflow.MlflowClient(place)
    run = client.create_run(client.create_experiment("mine"))
    sink = MlflowSink(tracking_uri=place)
    trained(sink)
    assert sink.run_id == run.info.run_id
    assert client.get_run(sink.run_id).info.status == "RUNNING"
    assert len(client.get_metric_history(sink.run_id, "learnrate/lr")) == 40


@pytest.fixture
def quiet_wandb(tmp_path, monkeypatch):
    """Weights & Biases writes to a temporary folder, and prints nothing."""
    monkeypatch.setenv("WANDB_SILENT", "true")
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.mark.usefixtures("quiet_wandb")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_wandb_offline_has_every_row(tmp_path, trained):
    from learnrate.integrations.wandb import WandbSink

    sink = WandbSink(project="p", mode="offline", dir=str(tmp_path))
    observations = trained(sink)
    # Weights & Biases writes in a process of its own, which may be late on a busy machine.
    wait_until(lambda: sum("learnrate/lr" in row for row in logged(tmp_path)) == 40)
    rows = list(logged(tmp_path))
    for name in ("lr", "loss", "validation"):
        key = f"learnrate/{name}"
        actual = {int(row["learnrate/step"]): row[key] for row in rows if key in row}
        assert actual == pytest.approx(expected(observations, name))


@pytest.mark.usefixtures("quiet_wandb")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_wandb_run_of_the_user_is_not_finished(tmp_path, trained):
    import wandb

    from learnrate.integrations.wandb import WandbSink

    run = wandb.init(project="mine", mode="offline", dir=str(tmp_path))
    trained(WandbSink(run))
    run.log({"epoch": 3})  # refused once the run is finished
    run.finish()
    wait_until(lambda: any("epoch" in row for row in logged(tmp_path)))
    rows = list(logged(tmp_path))
    assert [row["epoch"] for row in rows if "epoch" in row] == [3]
    assert sum("learnrate/lr" in row for row in rows) == 40


def logged(folder):
    """The rows of the one offline run in a folder: protocol buffers in LevelDB's log format."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    data, position, record_bytes = file.read_bytes(), 7, b""
    while position + 7 <= len(data):
        left_in_block = 32768 - position % 32768
        if left_in_block < 7:  # a header does not fit
            position += left_in_block
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        record_bytes += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in {1, 4}:  # a whole record, or the last piece of one
            record = wandb_internal_pb2.Record.FromString(record_bytes)
            record_bytes = b""
            yield {
                pair.key or "/".join(pair.nested_key): json.loads(pair.value_json)
                for pair in record.history.item
            }


@pytest.fixture(scope="module")
def trackio_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trackio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(folder))  # which trackio reads once, when it is imported
        for name in ("HF_TOKEN", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
            patch.delenv(name, raising=False)
        yield folder


def stored(folder, project, name):
    """A value by step, of the only run of a Trackio project."""
    with contextlib.closing(sqlite3.connect(folder / f"{project}.db")) as database:
        records = database.execute("SELECT step, metrics FROM metrics").fetchall()
        assert database.execute("SELECT count(DISTINCT run_id) FROM metrics").fetchone() == (1,)
    rows = ((step, json.loads(metrics)) for step, metrics in records)
    return {step: values[name] for step, values in rows if name in values}


@pytest.fixture
def connections(monkeypatch):
    """The addresses that sockets were connected or bound to."""
    places = []
    for name in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, name, lambda _, place: places.append(place))
    return places


def test_trackio_has_every_row_in_its_folder_and_nothing_is_sent(
    trackio_folder, trained, connections, capsys
):
    from learnrate.integrations.trackio import TrackioSink

    observations = trained(TrackioSink(project="p"))
    assert "Run finished" in capsys.readouterr().out
    for name in ("lr", "loss", "validation"):
        actual = stored(trackio_folder, "p", f"learnrate/{name}")
        assert actual == pytest.approx(expected(observations, name))
    assert connections == []


def test_the_current_trackio_run_of_the_user_stays_current(trackio_folder, trained):
    import trackio

    from learnrate.integrations.trackio import TrackioSink

    trackio.init("mine", embed=False, auto_log_cpu=False, auto_log_gpu=False)
    observations = trained(TrackioSink(project="beside"))
    trackio.log({"epoch": 3})
    trackio.finish()
    assert stored(trackio_folder, "mine", "epoch") == {0: 3}
    assert len(stored(trackio_folder, "beside", "learnrate/lr")) == len(observations.step)


def test_a_trackio_run_of_the_user_is_not_finished(trackio_folder, trained, capsys):
    import trackio

    from learnrate.integrations.trackio import TrackioSink

    run = trackio.init("handed", embed=False, auto_log_cpu=False, auto_log_gpu=False)
    observations = trained(TrackioSink(run, prefix=""))
    assert "Run finished" not in capsys.readouterr().out
    trackio.finish()
    assert stored(trackio_folder, "handed", "loss") == pytest.approx(
        expected(observations, "loss")
    )


def test_a_tracker_that_fails_stops_nothing(trained):
    class Broken(Sink):
        def __call__(self, observations):
            raise OSError("no space left")

        def close(self):
            raise OSError("still none")

    with pytest.warns(RuntimeWarning, match="no space left"):
        observations = trained(Broken())
    assert observations.step.tolist() == list(range(40))


@pytest.mark.parametrize(
    ("package", "sink"),
    [
        ("tensorboard", "TensorBoardSink('x')"),
        ("mlflow", "MlflowSink()"),
        ("wandb", "WandbSink()"),
        ("trackio", "TrackioSink()"),
    ],
)
def test_without_its_package_a_sink_says_how_to_install_it(package, sink):
    code = (
        f"import sys; sys.modules['{package}'] = None\n"
        f"import learnrate\nfrom learnrate.integrations.{package} import *\n"
        f"try:\n    {sink}\nexcept learnrate.MissingExtraError as error:\n    print(error)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert f"pip install 'learnrate[{package}]'" in process.stdout


def test_a_sink_is_finished_once_and_closed_and_only_closed_if_the_run_fails(tmp_path):
    calls = []

    class Recording(Sink):
        def __call__(self, observations):
            calls.append("rows")

        def finish(self):
            calls.append("finish")

        def close(self):
            calls.append("close")

    weight = torch.nn.Parameter(torch.ones(3))
    for status, ending in (("finished", ["finish", "close"]), ("failed", ["close"])):
        calls.clear()
        optimizer = torch.optim.SGD([weight], lr=0.1)
        run = learnrate.attach(optimizer, "0.1 * linear(40)", store=tmp_path / "runs.db")
        run.observers.append(Recording())
        optimizer.step()
        run.step(torch.tensor(1.0))
        run.finish(status)
        assert calls[0] == "rows"
        assert [call for call in calls if call != "rows"] == ending
