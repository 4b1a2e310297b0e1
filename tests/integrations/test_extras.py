"""Every integration sits behind its extra, and says so."""

import subprocess
import sys

import pytest

FRAMEWORKS = {"torch", "jax", "optax", "keras", "transformers", "lightning"}


def run(code):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_loads_no_framework():
    code = f"import sys, learnrate.integrations; print({FRAMEWORKS} & set(sys.modules))"
    assert run(code) == "set()\n"


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("torch_scheduler", "torch", "torch"),
        ("integrations.optax", "jax", "optax"),
        ("integrations.keras", "keras", "keras"),
        ("integrations.lightning", "torch", "torch"),
        ("integrations.transformers", "torch", "torch"),
    ],
)
def test_without_its_package_the_message_says_how_to_get_it(module, package, extra):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import learnrate\n"
        f"try:\n    import learnrate.{module}\n"
        "except learnrate.MissingExtraError as error:\n    print(error)"
    )
    assert f"pip install 'learnrate[{extra}]'" in run(code)


def test_what_works_on_torch_alone_loads_no_more_than_torch():
    code = (
        "import sys, learnrate.integrations.lightning, learnrate.integrations.transformers\n"
        f"print(sorted({FRAMEWORKS} & set(sys.modules)))"
    )
    assert run(code) == "['torch']\n"
