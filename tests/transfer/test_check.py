"""The coordinate check and the sweeps over widths."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from learnrate import ArgumentError, Task, TaskError, scaling, transfer
from learnrate.transfer import Verdict, WidthSweep, WidthSweeps


def mlp(width):
    return nn.Sequential(
        nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4)
    )


class Forgotten(nn.Module):
    """A readout of its own, which nobody can tell from an embedding by its shape."""

    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(*list(mlp(width))[:4])
        self.out = nn.Parameter(torch.randn(width, 4) / width**0.5)

    def forward(self, x):
        return self.body(x) @ self.out


def task_of(width, model=mlp, optimizer=torch.optim.Adam):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((64, 8), generator=generator)
    return Task(
        model=partial(model, width),
        loss=nn.MSELoss(),
        data=[(x, torch.stack([x[:, 0], x[:, 1], x[:, 0] * x[:, 1], x[:, 2].abs()], dim=1))],
        optimizer=optimizer,
        total_steps=20,
    )


def checked(model=mlp, optimizer=torch.optim.Adam, **keywords):
    return transfer.check(
        partial(task_of, model=model, optimizer=optimizer),
        [16, 64, 256],
        seeds=5,
        progress=False,
        **keywords,
    )


SGD = partial(torch.optim.SGD, lr=0.002)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, SGD], ids=["Adam", "SGD"])
def test_outputs_and_updates_keep_their_size(optimizer):
    check = checked(optimizer=optimizer)
    assert check.verdict is Verdict.HOLDS, check.reason
    assert check.breaking is None


def test_the_standard_parametrization_breaks_in_a_hidden_layer():
    check = checked(standard=True)
    assert check.verdict is Verdict.BREAKS
    assert check.breaking[0].layer in {"2", "4"}
    assert check.breaking[0].powers["update"].low > 0.25


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, SGD], ids=["Adam", "SGD"])
def test_a_forgotten_readout_is_the_layer_that_breaks_it(optimizer):
    check = checked(Forgotten, optimizer)
    assert check.verdict is Verdict.BREAKS
    assert check.breaking[0].layer == "out"
    assert check.reason.startswith(
        "out breaks the rules: the change of its output by its own updates scales"
    )
    assert "roles={'out': 'readout'}" in check.notes[0]
    assert checked(Forgotten, optimizer, roles={"out": "readout"}).breaking is None


def test_few_widths_cannot_be_judged_or_are_refused():
    make = partial(task_of, model=mlp)
    with pytest.raises(ArgumentError, match="at least 3 different widths"):
        transfer.check(make, [8, 16, 16])
    open_check = transfer.check(make, [8, 10, 12], seeds=2, progress=False)
    assert open_check.verdict is Verdict.OPEN
    assert open_check.reason.endswith("Give more widths or more seeds.")


def test_a_rate_that_diverges_is_refused():
    with pytest.raises(ArgumentError, match="give a lower rate"):
        checked(optimizer=SGD, lr=1e30)


def test_only_a_function_that_makes_tasks_of_new_models_is_taken():
    with pytest.raises(TaskError, match="for width 8 it returned a Sequential"):
        transfer.at_width(mlp, 8, base=4)
    model = mlp(8)
    with pytest.raises(ArgumentError, match="must be a function that makes the model"):
        transfer.at_width(
            lambda width: task_of(width, model=lambda _: model, optimizer=SGD).__class__(
                model=model, loss=nn.MSELoss(), data=[]
            ),
            8,
            base=4,
        )


def test_the_check_draws_every_layer():
    check = transfer.check(
        partial(task_of, model=Forgotten), [16, 64, 256], seeds=3, updates=2, progress=False
    )
    figure = check.plot()
    assert len(figure.axes) == 3
    labels = {line.get_label() for line in figure.axes[1].lines}
    assert "out breaks the rules" in labels
    assert check.to_dict()["breaks"] == "out"


def test_a_sweep_trains_at_the_rates_of_the_base_width():
    """With SGD, the highest rate of a wider model is higher than the base rate."""
    rates = [0.02, 0.05, 0.1]
    swept = transfer.sweep(
        partial(task_of, optimizer=SGD),
        [8, 16],
        rates,
        seeds=1,
        engine="sequential",
        progress=False,
    )
    assert [part.width for part in swept.sweeps] == [8, 16]
    for part in swept.sweeps:
        np.testing.assert_allclose(part.lrs, rates, rtol=1e-12)
    narrow, wide = (
        transfer.at_width(partial(task_of, optimizer=SGD), width, base=8) for width in (8, 16)
    )
    assert (narrow.peak_factor, wide.peak_factor) == (1.0, 2.0)


def sweeps(best, widths=(16, 64, 256), spread=1.1, total_steps=100):
    """Sweeps whose losses are parabolas around the given best rates."""
    lrs = np.geomspace(1e-4, 1.0, 17)
    return WidthSweeps(
        tuple(
            WidthSweep(
                width,
                lrs,
                1 + np.log(lrs / lr)[:, None] ** 2 * np.ones(2),
                lr,
                lr / spread,
                lr * spread,
            )
            for width, lr in zip(widths, best, strict=True)
        ),
        "mup",
        "task",
        total_steps,
    )


def test_a_best_rate_that_stays_one_that_moves_and_one_that_is_not_known():
    stays = sweeps([0.010, 0.011, 0.0102])
    assert stays.verdict is Verdict.HOLDS
    assert stays.factor == pytest.approx(1.1)
    moves = sweeps([0.04, 0.02, 0.01])
    assert moves.verdict is Verdict.BREAKS
    assert moves.power.value == pytest.approx(-0.5)
    assert "a factor 0.25" in moves.reason
    assert sweeps([0.010, 0.011, 0.0102], spread=3.0).verdict is Verdict.OPEN
    outside = sweeps([0.01, 0.1, 1.0])
    assert outside.verdict is Verdict.OPEN
    assert "do not enclose the best one at width 256" in outside.reason


def test_the_cost_of_keeping_the_rate_is_the_loss_at_the_widest():
    moves = sweeps([0.04, 0.02, 0.01])
    lowest = 1 + np.log(moves.sweeps[0].lrs / 0.01).__pow__(2).min()
    expected = (1 + np.log(4.0) ** 2) / lowest - 1
    assert moves.cost == pytest.approx(expected, rel=0.05)


def test_the_sweeps_are_drawn_with_their_best_rates():
    figure = sweeps([0.04, 0.02, 0.01]).plot()
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["width 16: best 0.04", "width 64: best 0.02", "width 256: best 0.01"]


def test_sweeps_of_several_lengths_give_the_rate_of_a_run_that_is_too_wide_and_too_long(tmp_path):
    """A best rate that stays over widths and goes with steps^-0.5, from a table of four lengths."""
    lines = []
    for steps in (100, 200, 400, 800):
        best = [0.01 * (steps / 100) ** -0.5 * wiggle for wiggle in (1.02, 0.98, 1.01)]
        sweeps(best, total_steps=steps).to_csv(tmp_path / "part.csv")
        lines.append((tmp_path / "part.csv").read_text())
    (tmp_path / "runs.csv").write_text("".join(lines))
    fitted = scaling.fit(tmp_path / "runs.csv", extra_factors=["width", "steps"])
    scaled = fitted.predict(width=1024, steps=3200)
    expected = 0.01 * 32**-0.5
    assert scaled.low < expected < scaled.high
    assert scaled.lr == pytest.approx(expected, rel=0.1)
    assert scaled.exponents["width"].low < 0 < scaled.exponents["width"].high


def test_a_trial_that_did_not_finish_has_no_loss_in_the_table(tmp_path):
    part = WidthSweep(16, np.array([0.1, 1.0]), np.array([[1.0], [np.inf]]), 0.1, 0.05, 0.2)
    WidthSweeps((part,), "mup", "task", 50).to_csv(tmp_path / "runs.csv")
    assert (tmp_path / "runs.csv").read_text().splitlines()[1:] == [
        "0.1,0,1.0,50,finished,16",
        "1.0,0,,50,not finished,16",
    ]
