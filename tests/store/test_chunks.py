"""Blocks of rows: what goes in comes out, and the latest attempt stands."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from learnrate.store._chunks import joined, merged, pack, unpack

values = st.floats(allow_nan=False, width=64) | st.none()
steps = st.lists(st.integers(0, 10**15), min_size=1, max_size=20, unique=True).map(sorted)


@given(st.data())
def test_a_block_comes_back_to_the_bit(data):
    step = np.array(data.draw(steps))
    size = len(step)
    columns = {
        name: np.array(data.draw(st.lists(values, min_size=size, max_size=size)), dtype=float)
        for name in ("lr", "loss", "lr[3]")
    }
    found, held = unpack(*pack(step, columns))
    assert found.tolist() == step.tolist()
    for name, column in columns.items():
        if name in held:
            assert held[name].tobytes() == column.tobytes()
        else:
            assert np.isnan(column).all()


rows = st.lists(st.tuples(st.integers(0, 9), values, values), min_size=1, max_size=12)


@given(st.lists(rows, min_size=1, max_size=4))
def test_rows_that_come_in_pieces_are_put_together_and_later_values_win(pieces):
    parts, expected = [], {}
    for piece in pieces:
        step, one, other = zip(*piece, strict=True)
        parts.append((np.array(step), {"a": _column(one), "b": _column(other)}))
        for at, first, second in piece:
            kept = expected.setdefault(at, [None, None])
            expected[at] = [
                kept[i] if new is None else new for i, new in enumerate((first, second))
            ]
    step, columns = merged(parts)
    assert step.tolist() == sorted(expected)
    for i, name in enumerate("ab"):
        held = _column(expected[at][i] for at in sorted(expected))
        assert np.array_equal(columns[name], held, equal_nan=True)


def _column(numbers):
    return np.array(list(numbers), dtype=float)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), min_size=1, max_size=5))
def test_what_stands_is_what_a_rerun_of_all_attempts_would_leave(attempts):
    """The oracle replays the attempts one after another, forgetting what lies beyond each start."""
    standing, parts, begins = {}, [], {}
    for number, (first, length) in enumerate(attempts):
        begins[number] = first
        standing = {step: held for step, held in standing.items() if step < first}
        step = np.arange(first, first + length)
        standing |= dict.fromkeys(step.tolist(), number)
        half = length // 2
        cuts = [step[:half], step[half:]]
        parts += [(number, (cut, {"loss": np.full(len(cut), number)})) for cut in cuts if len(cut)]
    found = joined(parts, begins)
    assert found.step.tolist() == sorted(standing)
    assert found.attempt.tolist() == [standing[step] for step in sorted(standing)]
    if standing:
        assert found.columns["loss"].tolist() == found.attempt.tolist()
