"""Measures on tables of losses, against slow references and known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from learnrate.claims._measures import best_of_others, best_rates, excess, geometric_grid

tables = arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(2, 5)),
    elements=st.floats(0.1, 10),
)


@given(tables)
def test_the_rate_that_is_best_for_the_others_does_not_depend_on_the_judged_seed(losses):
    for seed, actual in enumerate(best_of_others(losses)):
        others = np.delete(losses, seed, axis=1).sum(axis=1)
        assert losses[:, seed][others <= others.min() * (1 + 1e-12)].min() <= actual
        assert actual in losses[:, seed]


@given(tables)
def test_the_excess_of_the_only_rate_is_zero(losses):
    assert excess(losses[:1], 0) == pytest.approx(0.0)


@given(st.floats(-1.5, 1.5), st.floats(0.1, 5))
def test_a_parabola_in_log_lr_gives_its_vertex(centre, bend):
    rates = np.geomspace(1e-3, 1e-1, 9)
    best = 1e-2 * 10.0 ** (centre / 2)
    losses = 1.0 + bend * np.log(rates / best)[:, None] ** 2
    assert best_rates(rates, losses) == pytest.approx([best], rel=1e-6)


def test_a_best_rate_at_the_edge_is_the_edge():
    rates = np.array([0.1, 0.2, 0.4])
    assert best_rates(rates, np.array([[3.0], [2.0], [1.0]])) == pytest.approx([0.4])


def test_a_grid_reaches_its_upper_end():
    grid = geometric_grid(1e-4, 1.0, 3)
    assert grid[0] == 1e-4
    assert grid[-1] == 1.0
    assert len(grid) == 13
