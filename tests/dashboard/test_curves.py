import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate.dashboard._axis import HorizontalAxis, axes_of, axis_values
from learnrate.dashboard._curves import PointsCache, curves, downsampled, moving_mean, table
from learnrate.store import Store


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=400), st.integers(50, 100)
)
def test_downsampling_keeps_the_first_and_the_last_and_adds_nothing(values, max_points):
    value = np.array(values, dtype=float)
    step = np.arange(len(value)) * 3
    curve = downsampled(step, value, max_points)
    finite = {int(s): v for s, v in zip(step, value, strict=True) if np.isfinite(v)}
    assert len(curve.step) <= max_points
    assert all(finite[s] == v for s, v in zip(curve.step, curve.value, strict=True))
    assert curve.step == sorted(set(curve.step))
    if finite:
        assert curve.step[0] == min(finite)
        assert curve.step[-1] == max(finite)
    if len(finite) <= max_points:
        assert curve.step == sorted(finite)


def test_a_spike_of_one_row_in_a_million_is_still_there():
    value = np.zeros(1_000_000)
    value[654_321] = 9.0
    curve = downsampled(np.arange(len(value)), value, 1000)
    assert (654_321, 9.0) in zip(curve.step, curve.value, strict=True)


def test_the_mean_loss_is_that_of_numpy(tmp_path):
    store = Store(tmp_path / "a.db")
    run = store.new_run(name="a")
    loss = np.random.default_rng(1).normal(size=8000)
    store.write_points(run, np.arange(8000), {"loss": loss})
    points = PointsCache(store).points_of(store.run(run))
    response = curves(store.run(run), points, ["loss"], max_points=400)
    assert response.curves["loss_mean"].value == pytest.approx(loss.reshape(100, 80).mean(axis=1))


def test_the_moving_mean_is_that_of_numpy_and_skips_what_is_not_finite():
    value = np.random.default_rng(2).normal(size=300)
    value[[5, 6, 100]] = [np.nan, np.inf, -np.inf]
    finite = np.where(np.isfinite(value), value, np.nan)
    expected = [np.nanmean(finite[max(0, index - 5) : index + 5]) for index in range(300)]
    assert moving_mean(value, 10) == pytest.approx(np.array(expected))
    assert moving_mean(value, 10**9) == pytest.approx(np.full(300, np.nanmean(finite)))


def test_epochs_tokens_and_seconds_are_axes_of_a_run_that_has_them(tmp_path):
    store = Store(tmp_path / "a.db")
    facts = {"steps_per_epoch": 50, "tokens_per_step": 1000, "group_lr": [1.0, 0.5]}
    run = store.new_run(facts=facts)
    seconds = np.array([np.nan, 0.5, 2.0, 0.25])
    columns = {"loss": [4.0, 2.0, 3.0, 1.0], "lr": [0.1] * 4, "seconds": seconds}
    store.write_points(run, [0, 10, 20, 100], columns)
    stored_run, points = store.run(run), store.points(run)
    assert set(axes_of(points, facts)) == set(HorizontalAxis)
    assert axes_of(points, {}) == ["step", "time"]
    ends = {"epoch": 101 / 50, "tokens": 101_000.0, "time": 0.5 * 10 + 2 * 10 + 0.25 * 80}
    for axis, end in ends.items():
        assert axis_values(HorizontalAxis(axis), points, facts).value[-1] == pytest.approx(end)
    response = curves(stored_run, points, ["lr[1]"], max_points=50, axis=HorizontalAxis.TIME)
    assert response.curves["lr[1]"].value == [0.05] * 4
    assert {"lr[0]", "lr[1]", "seconds"} <= set(response.columns)
    assert axis_values(HorizontalAxis.EPOCH, points, {"steps_per_epoch": "many"}).step == []


def test_a_loss_that_is_not_finite_is_named_and_not_drawn(tmp_path):
    store = Store(tmp_path / "a.db")
    run = store.new_run(name="a")
    store.write_points(run, [0, 1, 2], {"loss": [1.0, np.inf, 3.0]})
    points = PointsCache(store).points_of(store.run(run))
    response = curves(store.run(run), points, ["loss"], max_points=50)
    assert response.curves["loss"].step == [0, 2]
    assert response.not_finite == [1]


def test_cached_points_are_those_of_the_store_while_a_run_grows_and_is_rolled_back(tmp_path):
    store = Store(tmp_path / "a.db")
    run = store.new_run(name="a")
    cache = PointsCache(store)
    for begin in range(0, 6000, 1500):
        step = np.arange(begin, begin + 1500)
        store.write_points(run, step, {"loss": np.sqrt(step), "lr": 1.0 / (1 + step)})
        same(cache.points_of(store.run(run)), store.points(run))
    store.write_points(run, [6000], {"loss": [1.0], "validation": [0.5]})
    same(cache.points_of(store.run(run)), store.points(run))
    store.begin_attempt(run, 4000, "rolled back")
    store.write_points(run, [4000, 4001], {"loss": [7.0, 8.0]})
    same(cache.points_of(store.run(run)), store.points(run))
    assert cache.points_of(store.run(run)).step[-1] == 4001


def same(actual, expected):
    assert np.array_equal(actual.step, expected.step)
    assert np.array_equal(actual.attempt, expected.attempt)
    for name, column in expected.columns.items():
        assert np.array_equal(actual.columns[name], column, equal_nan=True), name


def test_a_table_has_the_first_and_the_last_row(tmp_path):
    store = Store(tmp_path / "a.db")
    run = store.new_run(name="a")
    store.write_points(run, np.arange(100), {"loss": np.arange(100) / 10})
    response = table(store.points(run), rows=5, first=10, last=90)
    assert response.columns == ["step", "loss"]
    assert [response.rows[0], response.rows[-1]] == [[10, 1.0], [90, 9.0]]
    assert len(response.rows) == 5
    assert table(store.points(run), rows=5, first=200).rows == []
