"""The rows of a long run: as many as said, and the findings are those of a thinner log."""

import numpy as np
import pytest

from learnrate.watch import Observations, Watcher, diagnose
from learnrate.watch._row_table import RowTable


def filled(most, rows, block=97, **columns):
    """A table that was given rows in blocks."""
    table = RowTable(most)
    steps = np.arange(rows)
    for first in range(0, rows, block):
        part = slice(first, first + block)
        table.append(steps[part], {name: column[part] for name, column in columns.items()})
    return table


def test_few_rows_are_all_kept():
    loss = np.random.default_rng(0).normal(size=1000)
    table = filled(1000, 1000, loss=loss)
    assert table.step.tolist() == list(range(1000))
    assert table.columns["loss"].tolist() == loss.tolist()


@pytest.mark.parametrize("rows", [1001, 5000, 64_000])
def test_many_rows_are_limited_in_number_and_evenly_spread(rows):
    table = filled(1000, rows, loss=np.arange(float(rows)))
    assert 400 < table.rows <= 1000
    assert table.columns["loss"].tolist() == table.step.tolist()
    gaps = np.diff(table.step)
    assert gaps.min() > 0
    assert gaps.max() <= 4 * rows / table.rows


def test_thinning_keeps_losses_that_are_not_finite_only_if_they_are_consecutive():
    loss = np.ones(4000)
    loss[1::2] = np.inf
    loss[3900:] = np.inf
    table = filled(1000, 4000, loss=loss)
    is_finite = np.isfinite(table.columns["loss"])
    assert is_finite[table.step < 1000].all()
    assert not is_finite[table.step >= 3900].any()


def test_thinning_keeps_validation_losses():
    validation = np.full(8000, np.nan)
    validation[::200] = 1.0
    table = filled(1000, 8000, loss=np.ones(8000), validation=validation)
    assert (~np.isnan(table.columns["validation"])).sum() == 40
    assert table.rows <= 1000


def test_a_long_run_is_judged_as_its_log_would_be(monkeypatch):
    monkeypatch.setattr("learnrate.watch._watcher._MOST_ROWS", 2000)
    draw = np.random.default_rng(1)
    steps = np.arange(20_000)
    losses = {
        "healthy": 2 * np.exp(-steps / 4000) + 0.1 + 0.02 * draw.normal(size=steps.size),
        "diverged": np.where(steps < 15_000, 1.0 + 0.02 * draw.normal(size=steps.size), np.inf),
    }
    for loss in losses.values():
        columns = {"loss": loss, "lr": np.full(steps.size, 0.1)}
        watcher = Watcher("a", total_steps=20_000)
        for first in range(0, 20_000, 500):
            part = slice(first, first + 500)
            watcher.feed(steps[part], {name: column[part] for name, column in columns.items()})
        watcher.finish()
        whole = diagnose(Observations(run="a", step=steps, columns=columns, total_steps=20_000))
        assert watcher.diagnosis().codes() == whole.codes()
