"""The gallery shows every shape and every recipe there is."""

import importlib.util
import inspect
from pathlib import Path

import pytest

from learnrate import schedules

pytest.importorskip("mkdocs")
HOOK = Path(__file__).parent.parent / "docs" / "hooks" / "gallery.py"
NOT_DRAWN = {
    "FromFunction": "what it draws is the function's",
    "Table": "what it draws is the table's",
    "Skip": "a piece of another schedule",
    "Shortened": "another schedule in fewer steps",
    "Cut": "a piece of another schedule",
    "Scaled": "every picture is one",
    "Chain": "most pictures are one",
    "Product": "drawn as what it multiplies",
    "one_cycle_momentum": "a momentum, not a rate",
    "one_cycle_torch": "one_cycle in another convention",
    "untuned_warmup": "a part of a schedule",
    "schedule": "reads a text",
    "timed": "reads a text",
    "shape": "reads a text",
    "from_json": "reads a document",
    "ready_schedule": "checks a schedule",
}


@pytest.fixture(scope="module")
def gallery():
    spec = importlib.util.spec_from_file_location("gallery", HOOK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawable():
    for name in schedules.__all__:
        value = getattr(schedules, name)
        shape = inspect.isclass(value) and issubclass(value, schedules.Schedule)
        if inspect.isfunction(value) or (shape and not inspect.isabstract(value)):
            yield name


def test_every_shape_and_recipe_is_drawn_or_has_its_reason(gallery):
    assert {*gallery.SHAPES, *gallery.RECIPES, *NOT_DRAWN} == set(drawable())


def test_every_text_of_the_gallery_is_of_the_shape_it_stands_under(gallery):
    for name, texts in gallery.SHAPES.items():
        bound = schedules.schedule(texts[0]).over(gallery.TOTAL)
        assert getattr(schedules, name).name in str(bound)
