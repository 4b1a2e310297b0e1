"""Parts that are found by looking: a module that lacks its part is named, with what is missing."""

import importlib
import sys

import pytest

from learnrate._discovery import discover
from learnrate.watch import Rule

WITHOUT_OPTIONS = """from learnrate.watch import Rule
class Mine(Rule):
    title, severity, check, example = "a", "error", None, None
RULE = Mine()
"""
WITHOUT_CHECK = """from learnrate.watch import Rule, RuleOptions
class MineOptions(RuleOptions):
    noise: float = 1.0
class Mine(Rule[MineOptions]):
    title, severity, example = "a", "error", None
RULE = Mine()
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
        ("", r"parts\.lr999 must define RULE, a Rule; it has no such name"),
        ("RULE = 3", r"parts\.lr999 must define RULE, a Rule; it has 3"),
        (
            WITHOUT_OPTIONS,
            r"parts\.lr999 cannot be loaded: rule LR999: its class must derive from .* RuleOptions",
        ),
        (
            WITHOUT_OPTIONS.replace("Rule)", "Rule[int])"),
            r"parts\.lr999 cannot be loaded: rule LR999: its class must derive from .* RuleOptions",
        ),
        (
            WITHOUT_CHECK,
            r"parts\.lr999 cannot be loaded: .* abstract .*check",
        ),
    ],
)
def test_a_file_that_lacks_its_object_is_named_with_what_is_missing(package, module, message):
    with pytest.raises(TypeError, match=message):
        discover(package(lr999=module), "RULE", Rule)
