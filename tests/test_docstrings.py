"""What a docstring shows is what Python prints.

The modules are imported by the tests, not while the tests are collected: every worker collects all.
"""

import doctest
import importlib
import io
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
SHOWN = re.compile(r"^\s*>>> ", re.MULTILINE)


def module_name(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = sorted(
    module_name(path) for path in SOURCE.rglob("*.py") if SHOWN.search(path.read_text("utf-8"))
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_print_what_they_show(name):
    module = importlib.import_module(name)
    printed = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(example, out=printed.write)
    assert runner.tries, f"{name} has examples that are not found: not in a docstring of its own"
    assert not runner.failures, printed.getvalue()
