"""Blocks of rows come back as they were written, and the latest attempt counts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from learnrate.store._chunks import join_attempts, merge_rows, pack, unpack

values = st.floats(allow_nan=False, width=64) | st.none()
steps = st.lists(st.integers(0, 10**15), min_size=1, max_size=20, unique=True).map(sorted)


@given(st.data())
def test_a_block_comes_back_to_the_last_bit(data):
    step = np.array(data.draw(steps))
    size = len(step)
    columns = {
        name: np.array(data.draw(st.lists(values, min_size=size, max_size=size)), dtype=float)
        for name in ("lr", "loss", "lr[3]")
    }
    actual_step, actual_columns = unpack(*pack(step, columns))
    assert actual_step.tolist() == step.tolist()
    for name, column in columns.items():
        if name in actual_columns:
            assert actual_columns[name].tobytes() == column.tobytes()
        else:
            assert np.isnan(column).all()


rows = st.lists(st.tuples(st.integers(0, 9), values, values), min_size=1, max_size=12)


@given(st.lists(rows, min_size=1, max_size=4))
def test_rows_that_come_in_pieces_are_put_together_and_later_values_win(pieces):
    blocks, expected = [], {}
    for piece in pieces:
        steps, first_values, second_values = zip(*piece, strict=True)
        columns = {"a": _column(first_values), "b": _column(second_values)}
        blocks.append((np.array(steps), columns))
        for step, *new_values in piece:
            old_values = expected.setdefault(step, [None, None])
            expected[step] = [
                old if new is None else new
                for old, new in zip(old_values, new_values, strict=True)
            ]
    step, columns = merge_rows(blocks)
    assert step.tolist() == sorted(expected)
    for index, name in enumerate("ab"):
        expected_column = _column(expected[step][index] for step in sorted(expected))
        assert np.array_equal(columns[name], expected_column, equal_nan=True)


def _column(numbers):
    return np.array(list(numbers), dtype=float)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), min_size=1, max_size=5))
def test_the_valid_rows_are_those_that_a_rerun_of_all_attempts_leaves(attempts):
    """The oracle replays the attempts in order, and deletes what lies beyond each first step."""
    expected, blocks, first_steps = {}, [], {}
    for number, (first, length) in enumerate(attempts):
        first_steps[number] = first
        expected = {step: attempt for step, attempt in expected.items() if step < first}
        step = np.arange(first, first + length)
        expected |= dict.fromkeys(step.tolist(), number)
        half = length // 2
        halves = [step[:half], step[half:]]
        blocks += [
            (number, (part, {"loss": np.full(len(part), number)})) for part in halves if len(part)
        ]
    points = join_attempts(blocks, first_steps)
    assert points.step.tolist() == sorted(expected)
    assert points.attempt.tolist() == [expected[step] for step in sorted(expected)]
    if expected:
        assert points.columns["loss"].tolist() == points.attempt.tolist()
