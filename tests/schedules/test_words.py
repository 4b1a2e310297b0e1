"""One word for each idea, one list of public names, no heavy imports."""

import inspect
import re
import subprocess
import sys

import pytest

from learnrate import schedules
from learnrate.schedules._registry import SHAPES

# Words that mean something else in other packages; those banned everywhere are in tests/test_words.py.
BANNED = {
    "step": {"count"},
    "steps": {"n", "length"},
    "floor": {"end"},
    "warmup": {"warmup_steps"},
    "boundaries": {"knots"},
    "low, high": {"min", "max"},
}
PUBLIC = [getattr(schedules, name) for name in schedules.__all__]
OURS = [cls for cls in SHAPES.values() if cls.__module__.startswith("learnrate.")]


@pytest.mark.parametrize("public", [*PUBLIC, *OURS], ids=lambda public: public.__name__)
def test_no_parameter_is_a_synonym_of_the_word_for_its_idea(public):
    functions = [public, *(f for _, f in inspect.getmembers(public, inspect.isfunction))]
    for function in functions:
        parameters = set(inspect.signature(function).parameters)
        for word, synonyms in BANNED.items():
            assert not synonyms & parameters, word


def test_the_public_names_are_sorted_and_hold_every_shape():
    assert sorted(schedules.__all__) == schedules.__all__
    assert {cls.__name__ for cls in OURS} <= set(schedules.__all__)


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_every_schedule_says_its_formula_and_shows_itself(cls):
    text = inspect.getdoc(cls)
    assert re.search(r"value\(s\)", text)
    assert ">>> " in text


def test_importing_the_package_loads_neither_torch_nor_scipy():
    code = "import sys, learnrate.schedules; sys.exit(bool({'torch', 'scipy'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
