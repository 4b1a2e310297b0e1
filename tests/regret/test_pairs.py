import math

import pytest
from regret.cells import CELLS
from regret.pairs import mean_excess, pair_lines
from regret.scores import Score


def score(method, cell, excess, seed=1001):
    return Score(CELLS[cell], method, seed, 1.0, excess, 0.0, 0.5, None, None, None, "")


SCORED = [
    score("plan", 0, 0.1),
    score("plan", 0, 0.3, seed=1002),
    score("plan", 1, 0.0),
    score("plan", 2, 0.5),
    score("plan", 3, 0.5),
    score("peer", 0, 0.15),
    score("peer", 1, None),  # no answer
    score("peer", 2, math.inf),  # diverged
]


def test_a_cell_counts_once_however_many_seeds_it_has():
    assert mean_excess(SCORED, "plan")[CELLS[0].name] == pytest.approx(0.2)


def test_no_answer_and_a_divergence_are_worse_than_any_loss():
    assert pair_lines(SCORED, [("plan", "peer")]) == [
        ["plan", "0.50", "peer", "0.50", "3", "2", "1"]
    ]
