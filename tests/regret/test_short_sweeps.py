import math
from dataclasses import replace

import numpy as np
import pytest
from regret.best import best_of
from regret.cells import CELLS
from regret.short_sweeps import ShortSweep, drift_of_others, short_sweeps, summary_lines

LRS = [10 ** (index / 6) for index in range(-18, -1)]
CELL = CELLS[0]


def sweep_of(rate, drift):
    log_loss = 0.05 * (np.log(LRS) - math.log(0.02)) ** 2
    losses = np.exp(log_loss)[:, None] * np.ones(3)
    whole = best_of({"seeds": [3, 5, 7], "lr": LRS, "loss": losses.tolist()})
    return ShortSweep(CELL, whole, rate, drift, math.log(8), 2.0)


def test_the_best_rate_of_a_short_sweep_ends_at_the_best_loss_once_moved_by_its_drift():
    sweep = sweep_of(0.02 * 8**0.3, -0.3)
    assert sweep.excess(sweep.drift) == pytest.approx(0.0, abs=2e-3)  # interpolated between rates
    assert sweep.excess(0.0) == pytest.approx(
        math.exp(0.05 * (0.3 * math.log(8)) ** 2) - 1, abs=2e-3
    )


def test_beyond_the_grid_the_excess_is_that_of_its_end():
    assert sweep_of(1e3, 0.0).excess(0.0) == pytest.approx(sweep_of(LRS[-1], 0.0).excess(0.0))
    assert sweep_of(1e-9, 0.0).excess(0.0) == pytest.approx(sweep_of(LRS[0], 0.0).excess(0.0))


@pytest.mark.parametrize("share", [4, 8])
def test_every_cell_with_a_truth_has_a_sweep_of_its_length(share):
    swept = short_sweeps(CELLS, share)
    assert len({sweep.cell.name for sweep in swept}) == len(swept) == 95
    for sweep in swept:
        assert math.exp(sweep.e_folds) == pytest.approx(share, rel=0.5)


def test_a_cell_is_moved_by_the_drift_of_other_domains():
    other = next(cell for cell in CELLS if cell.domain != CELL.domain)
    first, same_domain, foreign = (sweep_of(0.02, drift) for drift in (-1.0, -0.9, -0.2))
    swept = [first, same_domain, replace(foreign, cell=other)]
    assert drift_of_others(first, swept) == -0.2


def test_a_summary_has_the_rate_as_it_is_and_moved_for_all_cells_and_for_those_left_out():
    lines = summary_lines(CELLS, (8,))
    assert [line[1:2] + line[3:4] for line in lines] == [
        ["all (95)", "as it is"],
        ["all (95)", "moved"],
        ["left out (34)", "as it is"],
        ["left out (34)", "moved"],
    ]
