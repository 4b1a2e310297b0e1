"""The text form."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from learnrate import ScheduleError
from learnrate.schedules import (
    Chain,
    Constant,
    Cosine,
    FromFunction,
    Linear,
    Product,
    Scaled,
    Step,
    Warmup,
    schedule,
)

READ = [
    ("3e-4 * warmup(500) >> cosine(9500, floor=0.1)",
     Scaled(3e-4, Chain((Warmup(500), Cosine(9500, floor=0.1))))),
    ("1e-3", Scaled(1e-3, Constant())),
    ("2 * 3", Scaled(6.0, Constant())),
    (" linear ( 1e4,\n floor = .5 ) ", Linear(10_000, floor=0.5)),
    ("linear(steps=5%)", Linear("5%")),
    ("exponential(100, 0.9, every=2.5, staircase=true)", None),
    ("linear(5) * 2", Scaled(2.0, Linear(5))),
    ("(2 * linear(5)) >> 0.1", Chain((Scaled(2.0, Linear(5)), Scaled(0.1, Constant())))),
    ("2 * cosine() * step()", Scaled(2.0, Product((Cosine(), Step())))),
    ("warmup(5) >> (constant(5) >> linear(5))", Chain((Warmup(5), Constant(5), Linear(5)))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), READ)
def test_a_text_reads_as_what_it_says(text, expected):
    parsed = schedule(text)
    assert expected is None or expected == parsed
    assert parsed == schedule(str(parsed))


CANONICAL = {
    "0.0003*warmup( 500 )>>cosine(9500,0.1)": "3e-4 * warmup(500) >> cosine(9500, floor=0.1)",
    "1e-3": "1e-3 * constant()",
    "linear(steps=1e2, floor=0.0)": "linear(100)",
    "exponential(every=1%)": "exponential()",
    "linear(5) >> 0.1": "linear(5) >> (0.1 * constant())",
    "((linear(5)))": "linear(5)",
    "ascend(2 * linear())": "ascend(2 * linear())",
    "multi_step(at=[30%,60%])": "multi_step(boundaries=[30%, 60%])",
}


@pytest.mark.parametrize("text", CANONICAL)
def test_what_it_prints_is_canonical(text):
    assert CANONICAL[text] == str(schedule(text))


POINTED = [
    ("cosin(5)", 0, "unknown schedule 'cosin'; did you mean 'cosine'?"),
    ("3e-4 * warmup(500) >> cosin(9500)", 22, "did you mean 'cosine'?"),
    ("cosine(9500, flor=0.1)", 13, "unknown argument of cosine 'flor'; did you mean 'floor'?"),
    ("xyzzy()", 0, "unknown schedule 'xyzzy'; known: clamp, constant, cosine,"),
    ("linear(-1)", 7, "Linear(steps=...) must be at least 0; got -1."),
    ("linear(10, floor=2)", 17, "Linear(floor=...) must be from 0 to 1; got 2."),
    (
        "warmup(5, curve=tanh)",
        16,
        "must be one of linear, cosine, one_minus_sqrt, exponential, polynomial; got 'tanh'.",
    ),
    ("linear(110%)", 7, "a share of the run must be at most 100%; got 110%."),
    ("linear(5x)", 8, "a duration is a whole number of steps, or text such as '5%'"),
    ("-3 * linear()", 0, "For gradient ascent write ascend(3 * ...)."),
    ("linear(5, 0, 1)", 13, "linear takes at most 2: steps, floor."),
    ("linear(floor=0, 5)", 16, "an argument without a name cannot follow one with a name."),
    ("linear(5, steps=6)", 10, "linear has 'steps' twice."),
    ("delay(linear(5))", 15, "delay needs 'steps'."),
    ("linear(5) linear(5)", 10, "expected '*', '>>' or the end here; found 'linear'."),
    ("(linear(5)", 10, "expected ')' to close the one at column 1; found the end."),
    ("linear", 6, "expected '(' after linear; found the end."),
    ("5% * linear()", 0, "5% is a duration; expected a schedule or a number here."),
    ("linear(5) > linear(5)", 10, "the character '>' has no meaning here. In a text, >> joins"),
    ("linear(5) -> linear(5)", 10, "In a text, >> joins parts, as in warmup(500) >> cosine()."),
    ("linear(5) | linear(5)", 10, "the character '|' has no meaning here."),
    ("warmup(5).then(linear())", 9, "In a text, >> joins parts, as in warmup(500) >> cosine()."),
    ("plans/plan.json", 5, "write learnrate.Plan.read(FILE).schedule, or --plan FILE."),
    ("warmup(5 epochs)", 9, "arguments (a length is written as 500, 5% or 2ep); found 'epochs'."),
    ("chain(linear(5))", 0, "'chain' is written part >> part."),
    ("from_function(5)", 0, "a function has no text form"),
    (
        "multi_step(boundaries=[5, linear()])",
        26,
        "a list holds numbers and durations; found 'linear'.",
    ),
    ("multi_step(boundaries=[5, 3])", 22, "in rising order"),
    ("multi_step(at=[5, 3])", 14, "in rising order"),
    ("multi_step(at=[5], boundaries=[3])", 19, "multi_step has 'boundaries' twice."),
    ("linear(at=[5])", 7, "unknown argument of linear 'at'"),
    ("linear() >> cosine()", 0, "a chain may have one part without a length"),
    ("3e-4 *", 6, "expected a number or a schedule such as cosine(); found the end."),
    ("1e999", 0, "a number must be between -1e300 and 1e300."),
    ("", 0, "expected a number or a schedule such as cosine(); found the end."),
]


@pytest.mark.parametrize(("text", "column", "expected"), POINTED)
def test_an_error_points_at_the_wrong_character(text, column, expected, refused):
    message, shown, caret = refused(text).rsplit("\n", 2)
    assert expected in message
    assert f"  {text}" == shown
    assert column == caret.index("^") - 2


def test_an_error_shows_the_line_it_is_on(refused):
    message = refused("warmup(5) >>\ncosin(5)\n>> linear()")
    assert message.splitlines()[-2:] == ["  cosin(5)", "  ^"]


def test_an_error_in_a_long_text_shows_the_part_around_it(refused):
    shown, caret = refused("linear(5) >> " * 50 + "cosin(5)").splitlines()[-2:]
    assert len(shown) < 99
    assert shown[caret.index("^") :].startswith("cosin(5)")


def test_a_number_or_a_schedule_is_taken_as_it_is():
    parsed = Linear(5)
    assert parsed is schedule(parsed)
    assert Scaled(0.1, Constant()) == schedule(0.1) == schedule(np.float64(0.1))
    assert schedule(1) == schedule("1")


@pytest.mark.parametrize("source", [None, True, [1], b"linear()", math.nan, -0.1])
def test_anything_else_is_refused(source):
    with pytest.raises(ScheduleError):
        schedule(source)


def test_a_function_has_no_text_form(refused):
    parsed = FromFunction(math.cos, 5)
    assert str(parsed) == "from_function(<cos>, 5)"
    assert "no text form" in refused(lambda: schedule("from_function()"))
    assert "a function has no text form" in refused(parsed.to_json)


def test_an_object_with_a_schedule_is_refused_with_the_way_to_its_schedule():
    plan = SimpleNamespace(schedule=schedule("linear(5)"))
    with pytest.raises(ScheduleError, match=r"got a SimpleNamespace\. Pass its \.schedule\.$"):
        schedule(plan)
    with pytest.raises(ScheduleError, match=r"got a list\.$"):
        schedule([1.0, 0.5])
