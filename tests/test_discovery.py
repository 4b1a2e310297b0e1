"""Parts that are found by looking: a module that lacks its part is named, with what is missing."""

import importlib
import sys

import pytest

from learnrate._discovery import discover
from learnrate.watch import Rule

WITHOUT_OPTIONS = """from learnrate.watch import Rule
RULE = Rule(
    code="LR999", name="a", title="a", severity="error", needs=(), check=None, example=None
)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write the modules of a package; the package."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "parts"

    def write(**modules):
        folder.mkdir()
        (folder / "__init__.py").touch()
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module("parts")

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "parts"]:
        del sys.modules[name]


def test_the_constant_of_every_public_module_is_found_by_the_modules_name(package):
    parts = package(first="PART = 1", second="PART = 2", _private="PART = 'not looked at'")
    assert discover(parts, "PART", int) == {"first": 1, "second": 2}


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("", r"parts\.lr999 must define RULE = Rule\(\.\.\.\); it has no such name"),
        ("RULE = 3", r"parts\.lr999 must define RULE = Rule\(\.\.\.\); it has 3"),
        (
            WITHOUT_OPTIONS,
            r"parts\.lr999 cannot be loaded: .* argument: 'options'",
        ),
        (
            WITHOUT_OPTIONS.replace("check", "options=None, check"),
            r"parts\.lr999 cannot be loaded: rule LR999: options must be .* RuleOptions",
        ),
    ],
)
def test_a_file_without_its_part_is_named_with_what_is_missing(package, module, message):
    with pytest.raises(TypeError, match=message):
        discover(package(lr999=module), "RULE", Rule)
