"""The loss of a replayed trial is that of the stored ones around it."""

import math

import pytest
from regret.cells import CELLS
from regret.replay import answers, replayed_loss

RATES = [0.01, 0.1, 1.0]


def stored(steps, losses):
    return {"steps": steps, "seeds": [0], "lr": RATES, "loss": [[one] for one in losses]}


SHORT, LONG = stored(10, [2.0, 1.0, 4.0]), stored(1000, [0.5, 0.25, None])


@pytest.mark.parametrize(("steps", "table"), [(10, SHORT), (1000, LONG)])
def test_at_a_stored_length_and_rate_it_is_the_stored_loss(steps, table):
    for rate, (loss,) in zip(RATES[:2], table["loss"], strict=False):
        found = replayed_loss([LONG, SHORT], steps, math.log(rate), seed=1)
        assert found == pytest.approx(loss, rel=1e-12)


def test_between_two_it_is_their_geometric_mean_in_the_middle():
    assert replayed_loss([SHORT, LONG], 100, math.log(0.1), 1) == pytest.approx(0.5)
    middle = math.log(0.1 * math.sqrt(0.1))
    assert replayed_loss([SHORT], 10, middle, 1) == pytest.approx(math.sqrt(2))


def test_below_the_lowest_rate_it_goes_on_as_it_came():
    assert replayed_loss([SHORT], 10, math.log(0.001), 1) == pytest.approx(4.0)


def test_beside_a_rate_that_diverged_it_diverges():
    assert replayed_loss([LONG], 1000, math.log(0.3), 1) is None
    assert replayed_loss([SHORT, LONG], 100, math.log(0.3), 1) is None
    assert replayed_loss([SHORT], 10, math.log(0.3), 1) is not None


def test_cells_that_are_kept_apart_are_not_replayed():
    apart = next(cell for cell in CELLS if cell.held_out)
    with pytest.raises(ValueError, match="kept apart"):
        answers(apart, 0.5, 1)
