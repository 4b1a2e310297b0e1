"""Sweeps over two rates: every pair, on each engine, resumed, with a map."""

import csv

import numpy as np
import pytest
import torch
from torch import nn

from learnrate import ArgumentError, Task, sweep
from learnrate._chart import HeatMap, describe

LRS, SECOND = [0.1, 0.3, 1.0], [0.001, 0.01]


class TwoPoints(nn.Module):
    """Two points on quadratics, one of them a hundred times steeper."""

    def __init__(self):
        super().__init__()
        self.gentle, self.steep = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))

    def forward(self, batch):
        return ((self.gentle - batch).square() + 100 * (self.steep - batch).square()).mean() / 2


TASK = Task(
    model=TwoPoints,
    loss=lambda model, batch: model(batch),
    data=[torch.zeros(2)],
    optimizer=lambda model: torch.optim.SGD(
        [{"params": [model.gentle]}, {"params": [model.steep]}], lr=0.1
    ),
    validate=lambda model: float(model(torch.zeros(2))) + 0.01,
    total_steps=20,
)
RATES = {"gentle": 0, "steep": 1}


def swept(**arguments):
    options = {"rates": RATES, "second_lr": SECOND, "seeds": 1, "progress": False, **arguments}
    return sweep(TASK, LRS, **options)


def test_every_pair_ends_where_gradient_descent_ends():
    result = swept(engine="sequential", shape="constant()")
    # Each point is multiplied by 1 - lr * curvature / 2 in every update.
    expected = [
        [((1 - lr / 2) ** 40 + 100 * (1 - 50 * second) ** 40) / 2 + 0.01 for second in SECOND]
        for lr in LRS
    ]
    assert result.losses[:, :, 0] == pytest.approx(np.array(expected), rel=1e-4)
    assert {name: rate.best for name, rate in result.best.items()} == pytest.approx(
        {"gentle": 1.0, "steep": 0.01}
    )
    assert result.best["steep"].low < 0.01 < result.best["steep"].high
    assert "highest rate of gentle" in result.advice
    assert "With one seed the noise is not known" in result.notes[-1]


def test_stacks_give_the_same_losses():
    stacked, alone = swept(engine="vectorised"), swept(engine="sequential")
    assert stacked.losses == pytest.approx(alone.losses, rel=1e-5)
    assert stacked.engine == "vectorised"


def test_a_sweep_run_again_in_its_folder_repeats_nothing(tmp_path):
    first = swept(out=tmp_path, engine="sequential")
    again = swept(out=tmp_path, engine="sequential", second_lr=[*SECOND, 0.03])
    assert (first.resumed, again.resumed) == (0, 6)
    assert np.array_equal(again.losses[:, :2], first.losses)


def test_the_map_the_table_and_the_dictionary_have_every_pair(tmp_path):
    result = swept(engine="sequential")
    (panel,) = describe(result).panels
    assert isinstance(panel.marks[0], HeatMap)
    assert panel.marks[0].values.shape == (2, 3)
    result.to_csv(tmp_path / "sweep.csv")
    rows = list(csv.DictReader((tmp_path / "sweep.csv").read_text().splitlines()))
    assert [float(row["lr steep"]) for row in rows] == SECOND * 3
    assert len(result.to_dict()["trials"]) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rates": None}, "second_lr needs rates"),
        ({"halving": 2}, "halving works for a sweep of one rate"),
        ({"second_lr": [0.1, 0.01]}, "got 0.01 after 0.1"),
        ({"rates": "a=*gentle, b=*steep, c=*"}, "fits no parameter"),
    ],
)
def test_what_cannot_be_swept_is_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        swept(**arguments)
