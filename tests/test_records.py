"""Frozen dataclasses as JSON values, and back to the last bit."""

import json
import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate import ArgumentError
from learnrate._records import from_dict, to_dict
from learnrate.schedules import Schedule, schedule


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Trial:
    seed: int
    loss: float | None


@dataclass(frozen=True)
class Result:
    trials: tuple[Trial, ...]
    colour: Colour
    schedule: Schedule
    name: str = ""
    weights: tuple[tuple[float, int], ...] = ()
    done: bool = False


RESULT = Result((Trial(1, None), Trial(2, 0.1)), Colour.RED, schedule("3e-4 * cosine(10)"))
WRITTEN = to_dict(RESULT)


def test_a_record_becomes_json_values():
    assert json.loads(json.dumps(WRITTEN)) == {
        "trials": [{"seed": 1, "loss": None}, {"seed": 2, "loss": 0.1}],
        "colour": "red",
        "schedule": "3e-4 * cosine(10)",
        "name": "",
        "weights": [],
        "done": False,
    }


def test_an_enumeration_becomes_plain_text():
    assert type(WRITTEN["colour"]) is str


finite = st.floats(allow_nan=False, allow_infinity=False)
results = st.builds(
    Result,
    st.lists(st.builds(Trial, st.integers(), st.none() | finite)).map(tuple),
    st.sampled_from(Colour),
    st.floats(1e-12, 1e3).map(lambda lr: lr * schedule("linear(7)")),
    st.text(),
    st.lists(st.tuples(finite, st.integers())).map(tuple),
    st.booleans(),
)


@given(result=results)
def test_what_is_written_is_read_back_to_the_last_bit(result):
    assert from_dict(Result, json.loads(json.dumps(to_dict(result)))) == result


def test_a_float_that_is_not_finite_becomes_none():
    assert to_dict(Trial(1, math.inf)) == {"seed": 1, "loss": None}


def test_an_array_becomes_lists_with_none_for_nan():
    @dataclass(frozen=True)
    class Table:
        values: np.ndarray

    values = np.array([[1.0, math.nan], [0.5, 2.0]])
    written = to_dict(Table(values))
    assert written == {"values": [[1.0, None], [0.5, 2.0]]}
    np.testing.assert_array_equal(from_dict(Table, written).values, values)


def test_fields_can_be_left_out():
    assert to_dict(Trial(1, 0.5), omit=["loss"]) == {"seed": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"further": 1}, "Result has no key 'further'; was it written by a newer learnrate?"),
        ({"colour": "green"}, "Result.colour must be one of red, blue; got 'green'"),
        ({"trials": [{"seed": 1.5, "loss": None}]}, r"Result.trials\[0\].seed must be a whole"),
        ({"trials": [{"seed": True, "loss": None}]}, r"seed must be a whole number; got True"),
        ({"trials": [{"seed": 1, "loss": "x"}]}, r"loss must be a finite number; got 'x'"),
        ({"trials": [{"seed": 1, "loss": math.nan}]}, r"loss must be a finite number; got nan"),
        ({"trials": [{"seed": 1}]}, r"Result.trials\[0\] needs the key 'loss'"),
        ({"trials": 3}, "Result.trials must be a list; got 3"),
        ({"trials": "ab"}, "Result.trials must be a list; got 'ab'"),
        ({"schedule": 3}, "Result.schedule must be text; got 3"),
        ({"schedule": "cosin(9)"}, "did you mean 'cosine'"),
        ({"name": 3}, "Result.name must be text; got 3"),
        ({"done": 1}, "Result.done must be true or false; got 1"),
    ],
)
def test_what_to_dict_did_not_write_is_refused_with_its_place(changes, message):
    with pytest.raises(ArgumentError, match=message):
        from_dict(Result, {**WRITTEN, **changes})


def test_a_missing_key_is_named():
    document = {key: value for key, value in WRITTEN.items() if key != "colour"}
    with pytest.raises(ArgumentError, match="plan needs the key 'colour'; was it cut short"):
        from_dict(Result, document, "plan")


def test_what_is_not_a_dictionary_is_refused():
    with pytest.raises(ArgumentError, match=r"Trial must be read from a dictionary; got \[1\]"):
        from_dict(Trial, [1])


def test_a_key_with_a_default_may_be_missing_unless_all_keys_are_required():
    document = {key: value for key, value in WRITTEN.items() if key != "name"}
    assert from_dict(Result, document) == RESULT
    with pytest.raises(ArgumentError, match="Result needs the key 'name'; was it cut short"):
        from_dict(Result, document, all_keys=True)


def test_the_error_of_a_records_own_check_is_passed_on_as_it_is():
    @dataclass(frozen=True)
    class Rate:
        value: float

        def __post_init__(self):
            if self.value <= 0:
                raise ArgumentError("Rate(value=...) must be above 0.")

    with pytest.raises(ArgumentError, match=r"^Rate\(value=...\) must be above 0.$"):
        from_dict(Rate, {"value": -1.0})
