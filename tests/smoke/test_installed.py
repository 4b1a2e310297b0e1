"""The smallest use of each extra: what `make smoke` runs against the built wheel.

`environments.py` makes a fresh environment for each extra and names it in LEARNRATE_EXTRA: the test of
that extra must then run. The suite tests the sources and skips these.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXTRA = os.environ.get("LEARNRATE_EXTRA")
pytestmark = pytest.mark.skipif(EXTRA is None, reason="make smoke runs it on the built wheel")


def learnrate_command(*arguments, code=0, **environment):
    """What the command prints; it must exit with `code`."""
    result = subprocess.run(
        [sys.executable, "-m", "learnrate", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def python(code, **environment):
    """What a fresh Python prints."""
    return subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    ).stdout


def needs(extra, *modules):
    """Skip a test whose extra is not installed, unless this environment was made for it."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(
        bool(missing) and extra != EXTRA, reason=f"the extra {extra} is not installed"
    )


def test_the_package_is_the_installed_wheel():
    place = python("import learnrate; print(learnrate.__file__)").strip()
    assert Path(place).is_relative_to(sys.prefix)


def test_without_an_extra_schedules_are_shown():
    shown = learnrate_command("show", "0.1 * linear(4)", "--json")
    assert json.loads(shown)["lr"] == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_without_an_extra_a_log_is_diagnosed(tmp_path):
    rows = "".join(f"{step},{2.3 + 0.01 * (step % 3)},0.0\n" for step in range(200))
    (tmp_path / "log.csv").write_text("step,loss,lr\n" + rows)
    assert "LR202" in learnrate_command("diagnose", tmp_path / "log.csv", code=1)


def test_without_an_extra_words_are_explained():
    assert "warm-up" in learnrate_command("explain", "warm-up")


def test_without_an_extra_a_store_is_listed_and_exported(tmp_path):
    store = f"{tmp_path}/runs.db"
    python(f"from learnrate import Store; Store({store!r}).new_run(name='a run', total_steps=2)")
    assert "a run" in learnrate_command("runs", "--store", store)


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
def test_without_torch_the_message_says_how_to_get_it():
    answer = learnrate_command("plan", "task.py:task", code=2)
    assert "pip install 'learnrate[torch]'" in answer


TASK = "from learnrate.testing import quadratic_task\ntask = quadratic_task(total_steps=60)\n"


@pytest.fixture
def task(tmp_path):
    (tmp_path / "smoke_task.py").write_text(TASK)
    return f"{tmp_path}/smoke_task.py:task"


@needs("torch", "torch")
def test_torch_plans_and_trains(task, tmp_path):
    learnrate_command(
        "plan", task, "--total-steps", 200, "--budget", 0.5, "--out", tmp_path, "--json"
    )
    trained = learnrate_command(
        "train", task, "--plan", tmp_path / "plan.json", "--store", tmp_path / "runs.db"
    )
    assert "finished" in trained
    assert "<html" in (tmp_path / "report.html").read_text()


@needs("plot", "matplotlib")
def test_plot_saves_an_image(tmp_path):
    learnrate_command("show", "0.1 * linear(9)", "--png", tmp_path / "lr.png")
    assert (tmp_path / "lr.png").stat().st_size > 1000


FRAMEWORKS = {
    "optax": ("optax", "learnrate.to_optax(schedule)(0)"),
    "keras": ("keras", "learnrate.to_keras(schedule)(0)"),
}


@pytest.mark.parametrize(
    "extra", [pytest.param(name, marks=needs(*FRAMEWORKS[name][:1], name)) for name in FRAMEWORKS]
)
def test_a_framework_takes_a_schedule(extra):
    code = (
        "import learnrate\n"
        "schedule = learnrate.schedule('0.1 * linear(4)')\n"
        f"print(float({FRAMEWORKS[extra][1]}))"
    )
    backend = "torch" if importlib.util.find_spec("torch") else "numpy"
    assert float(python(code, KERAS_BACKEND=backend)) == pytest.approx(0.1)


@needs("transformers", "transformers", "torch")
def test_transformers_takes_a_schedule():
    code = (
        "import learnrate, transformers, torch\n"
        "schedule = learnrate.schedule('0.1 * linear(4)')\n"
        "optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)\n"
        "from learnrate.integrations.attach_transformers import TransformersCallback\n"
        "print(learnrate.to_torch(schedule, optimizer).get_last_lr()[0])"
    )
    assert float(python(code)) == pytest.approx(0.1)


@needs("lightning", "lightning", "torch")
def test_lightning_has_its_callback():
    code = "from learnrate.integrations.attach_lightning import LightningCallback as C; print(C)"
    assert "LightningCallback" in python(code)


@needs("ray", "ray", "torch")
def test_ray_sweeps(task):
    swept = learnrate_command(
        "sweep", task, "--lr", "1e-3:1e-1:2", "--seeds", 1, "--engine", "ray", "--json"
    )
    assert '"best"' in swept


@needs("postgres", "psycopg")
def test_postgres_says_what_is_wrong_with_an_address():
    answer = learnrate_command("runs", "--store", "postgresql://nobody@127.0.0.1:1/none", code=2)
    assert "pip install" not in answer


@needs("parquet", "pyarrow")
def test_parquet_is_imported_by_export():
    code = "import pyarrow.parquet; import learnrate.store; print('ok')"
    assert python(code) == "ok\n"


@needs("tensorboard", "tensorboard")
def test_tensorboard_reads_event_files():
    code = "import learnrate.watch.readers, google_crc32c, tensorboard; print('ok')"
    assert python(code) == "ok\n"


SINKS = {
    "mlflow": ("mlflow", "from learnrate.integrations.mlflow import MlflowSink as Sink"),
    "wandb": ("wandb", "from learnrate.integrations.wandb import WandbSink as Sink"),
    "trackio": ("trackio", "from learnrate.integrations.trackio import TrackioSink as Sink"),
}


@pytest.mark.parametrize(
    "extra", [pytest.param(name, marks=needs(name, SINKS[name][0])) for name in SINKS]
)
def test_a_tracker_has_its_sink(extra):
    code = f"import {SINKS[extra][0]}\n{SINKS[extra][1]}\nprint(Sink.__name__)"
    assert python(code).strip().endswith("Sink")


@needs("dashboard", "fastapi", "uvicorn")
def test_the_dashboard_has_its_pages(tmp_path):
    assert "--port" in learnrate_command("dashboard", "--help")
    code = "from learnrate.dashboard import serve; print(serve.__name__)"
    assert python(code) == "serve\n"


@needs("claims", "sklearn", "torch", "matplotlib")
def test_a_claim_is_tested():
    answer = learnrate_command("claims", "run", "zero-learns-nothing", "--json")
    assert json.loads(answer)[0]["verdict"]


@needs("tuning-free", "prodigyopt", "schedulefree")
def test_the_tuning_free_optimizers_are_there():
    code = "import dadaptation, dog, prodigyopt, schedulefree; print('ok')"
    assert python(code) == "ok\n"


@needs("compare", "momo", "mechanic_pytorch", "pytorch_optimizer")
def test_every_optimizer_of_a_comparison_is_there():
    code = (
        "from learnrate.comparing import TUNING_FREE\n"
        "print([name for name, o in TUNING_FREE.items() if o.installed_version is None])"
    )
    assert python(code) == "[]\n"


@needs("examples", "sklearn", "torch", "matplotlib")
def test_examples_have_their_data():
    code = "from sklearn.datasets import load_digits; print(load_digits().data.shape[0])"
    assert python(code) == "1797\n"
