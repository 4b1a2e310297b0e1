"""What holds for any schedule at all."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate import ScheduleError
from learnrate.schedules import from_json, schedule


@given(data=st.data())
def test_the_text_of_any_schedule_reads_back_as_it(any_schedule, data):
    drawn = data.draw(any_schedule)
    assert drawn == schedule(str(drawn))
    assert drawn == eval(repr(drawn), {"schedule": schedule})


@given(data=st.data())
def test_the_json_of_any_schedule_reads_back_as_it(any_schedule, data):
    drawn = data.draw(any_schedule)
    assert drawn == from_json(drawn.to_json())


@given(data=st.data())
def test_any_schedule_pickles_and_hashes(any_schedule, data):
    drawn = data.draw(any_schedule)
    assert drawn == pickle.loads(pickle.dumps(drawn))
    assert hash(drawn) == hash(schedule(str(drawn)))


@given(data=st.data(), first=st.integers(0, 3000), length=st.sampled_from([1, 2, 3, 7, 8, 1000]))
def test_one_step_and_many_agree_to_the_last_bit(any_bound_schedule, data, first, length):
    drawn = data.draw(any_bound_schedule)
    steps = np.arange(first, first + length)
    values = np.array([drawn(int(step)) for step in steps])
    assert values.tobytes() == drawn(steps).tobytes()
    assert values[::-3].tobytes() == drawn(steps[::-3]).tobytes()


@given(data=st.data(), total_steps=st.integers(1, 3000))
def test_binding_gives_exactly_the_total_or_one_clear_error(any_schedule, data, total_steps):
    drawn = data.draw(any_schedule)
    try:
        bound = drawn.over(total_steps)
    except ScheduleError:
        return
    assert bound.bound
    assert total_steps == bound.total_steps
    assert bound == bound.over(total_steps)
    assert bound == schedule(str(bound))
    assert np.isfinite(bound.table()).all()


@given(data=st.data())
def test_past_its_end_any_schedule_stays_at_its_last_value(any_bound_schedule, data):
    drawn = data.draw(any_bound_schedule)
    assert [drawn(drawn.total_steps)] * 3 == [
        drawn(drawn.total_steps + more) for more in (1, 100, 10**9)
    ]


@given(data=st.data())
def test_a_shape_stays_between_zero_and_its_peak(any_shape, data):
    shape = data.draw(any_shape)
    values = shape(np.arange(shape.total_steps + 1))
    assert (values >= 0).all()
    grows = shape.name != "exp_range" and getattr(shape, "factor", 0.0) > 1
    assert (values <= (1e30 if grows else 1) * (1 + 1e-12)).all()


def read_or_refused(read, text, pointed):
    """The schedule of a text; None if it is refused with a message, with a caret if `pointed`."""
    try:
        return read(text)
    except ScheduleError as error:
        message = str(error)
    assert message
    assert not pointed or "^" in message
    return None


@given(text=st.text(max_size=40))
def test_any_text_reads_or_is_refused(text):
    read_or_refused(schedule, text, pointed=True)


WORDS = "3e-4 * >> ( ) [ ] , = warmup cosine step repeat ascend 5% 500 -1 1e400 floor every boundaries 2ep é"


@given(words=st.lists(st.sampled_from(WORDS.split()), max_size=14))
def test_any_words_of_the_grammar_read_or_are_refused(words):
    parsed = read_or_refused(schedule, " ".join(words), pointed=True)
    assert parsed is None or parsed == schedule(str(parsed))


@given(
    data=st.data(), position=st.integers(0, 200), junk=st.sampled_from(list("()[]*>=,%-.e9 x\n"))
)
def test_a_typo_in_a_good_text_reads_or_is_refused(any_schedule, data, position, junk):
    good = str(data.draw(any_schedule))
    position = min(position, len(good))
    for text in (good[:position] + junk + good[position:], good[:position] + good[position + 1 :]):
        read_or_refused(schedule, text, pointed=True)


@pytest.mark.parametrize("text", ["9" * 5000, "(" * 5000, "1e999", "[" * 9, "linear(" * 500, ""])
def test_an_extreme_text_is_refused(text, refused):
    assert "^" in refused(text)


@given(text=st.text(max_size=60))
def test_any_text_is_refused_as_json(text):
    with pytest.raises(ScheduleError):
        from_json(text)


@given(data=st.data(), position=st.integers(0, 400), junk=st.sampled_from([*'{}[]",:0e-', "NaN"]))
def test_a_typo_in_good_json_reads_or_is_refused(any_schedule, data, position, junk):
    good = data.draw(any_schedule).to_json()
    position = min(position, len(good))
    for text in (
        good[:position] + junk + good[position:],
        good[:position] + good[position + 1 :],
        good[:position],
    ):
        read_or_refused(from_json, text, pointed=False)
