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
    made = data.draw(any_schedule)
    assert made == schedule(str(made))
    assert made == eval(repr(made), {"schedule": schedule})


@given(data=st.data())
def test_the_json_of_any_schedule_reads_back_as_it(any_schedule, data):
    made = data.draw(any_schedule)
    assert made == from_json(made.to_json())


@given(data=st.data())
def test_any_schedule_pickles_and_hashes(any_schedule, data):
    made = data.draw(any_schedule)
    assert made == pickle.loads(pickle.dumps(made))
    assert hash(made) == hash(schedule(str(made)))


@given(data=st.data(), first=st.integers(0, 3000), length=st.sampled_from([1, 2, 3, 7, 8, 1000]))
def test_one_step_and_many_agree_to_the_last_bit(any_bound_schedule, data, first, length):
    made = data.draw(any_bound_schedule)
    steps = np.arange(first, first + length)
    each = np.array([made(int(step)) for step in steps])
    assert each.tobytes() == made(steps).tobytes()
    assert each[::-3].tobytes() == made(steps[::-3]).tobytes()


@given(data=st.data(), total_steps=st.integers(1, 3000))
def test_binding_gives_exactly_the_total_or_one_clear_error(any_schedule, data, total_steps):
    made = data.draw(any_schedule)
    try:
        bound = made.over(total_steps)
    except ScheduleError:
        return
    assert bound.bound
    assert total_steps == bound.total_steps
    assert bound == bound.over(total_steps)
    assert bound == schedule(str(bound))
    assert np.isfinite(bound.table()).all()


@given(data=st.data())
def test_past_its_end_any_schedule_stays_at_its_last_value(any_bound_schedule, data):
    made = data.draw(any_bound_schedule)
    assert [made(made.total_steps)] * 3 == [
        made(made.total_steps + more) for more in (1, 100, 10**9)
    ]


@given(data=st.data())
def test_a_shape_stays_between_zero_and_its_peak(any_shape, data):
    values = data.draw(any_shape).table()
    assert (values >= 0).all()
    assert (values <= 1 + 1e-12).all()


def read_or_refused(read, text, pointed):
    """What the text says; None where it is refused, in words, with a caret if `pointed`."""
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


WORDS = (
    "3e-4 * >> ( ) [ ] , = warmup cosine step repeat ascend 5% 500 -1 1e400 floor every at 2ep é"
)


@given(words=st.lists(st.sampled_from(WORDS.split()), max_size=14))
def test_any_words_of_the_grammar_read_or_are_refused(words):
    made = read_or_refused(schedule, " ".join(words), pointed=True)
    assert made is None or made == schedule(str(made))


@given(data=st.data(), at=st.integers(0, 200), junk=st.sampled_from(list("()[]*>=,%-.e9 x\n")))
def test_a_typo_in_a_good_text_reads_or_is_refused(any_schedule, data, at, junk):
    good = str(data.draw(any_schedule))
    at = min(at, len(good))
    for text in (good[:at] + junk + good[at:], good[:at] + good[at + 1 :]):
        read_or_refused(schedule, text, pointed=True)


@pytest.mark.parametrize("text", ["9" * 5000, "(" * 5000, "1e999", "[" * 9, "linear(" * 500, ""])
def test_a_monstrous_text_is_refused(text, refused):
    assert "^" in refused(text)


@given(text=st.text(max_size=60))
def test_any_text_is_refused_as_json(text):
    with pytest.raises(ScheduleError):
        from_json(text)


@given(data=st.data(), at=st.integers(0, 400), junk=st.sampled_from([*'{}[]",:0e-', "NaN"]))
def test_a_typo_in_good_json_reads_or_is_refused(any_schedule, data, at, junk):
    good = data.draw(any_schedule).to_json()
    at = min(at, len(good))
    for text in (good[:at] + junk + good[at:], good[:at] + good[at + 1 :], good[:at]):
        read_or_refused(from_json, text, pointed=False)
