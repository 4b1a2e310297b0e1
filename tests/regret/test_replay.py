"""The loss of a replayed trial is interpolated between the stored ones."""

import math

import pytest
from regret.cells import CELLS
from regret.replay import answers, replayed_loss

RATES = [0.01, 0.1, 1.0]


def stored(steps, losses):
    return {"steps": steps, "seeds": [0], "lr": RATES, "loss": [[loss] for loss in losses]}


SHORT, LONG = stored(10, [2.0, 1.0, 4.0]), stored(1000, [0.5, 0.25, None])


@pytest.mark.parametrize(("steps", "table"), [(10, SHORT), (1000, LONG)])
def test_at_a_stored_length_and_rate_it_is_the_stored_loss(steps, table):
    for rate, (loss,) in zip(RATES[:2], table["loss"], strict=False):
        actual = replayed_loss([LONG, SHORT], steps, math.log(rate), seed=1)
        assert actual == pytest.approx(loss, rel=1e-12)


def test_in_the_middle_between_two_lengths_or_rates_it_is_the_geometric_mean():
    assert replayed_loss([SHORT, LONG], 100, math.log(0.1), 1) == pytest.approx(0.5)
    middle = math.log(0.1 * math.sqrt(0.1))
    assert replayed_loss([SHORT], 10, middle, 1) == pytest.approx(math.sqrt(2))


def test_below_the_lowest_rate_it_is_extrapolated():
    assert replayed_loss([SHORT], 10, math.log(0.001), 1) == pytest.approx(4.0)


def test_next_to_a_rate_that_diverged_it_diverges():
    assert replayed_loss([LONG], 1000, math.log(0.3), 1) is None
    assert replayed_loss([SHORT, LONG], 100, math.log(0.3), 1) is None
    assert replayed_loss([SHORT], 10, math.log(0.3), 1) is not None


def test_held_out_cells_are_not_replayed():
    held_out = next(cell for cell in CELLS if cell.held_out)
    with pytest.raises(ValueError, match="held out"):
        answers(held_out, 0.5, 1)
