"""What the record of a run must be like before any rule reads it."""

import numpy as np
import pytest

from learnrate import ArgumentError
from learnrate.watch import Observations


def test_a_column_that_was_never_recorded_is_all_nan():
    observations = Observations(run="a", step=[0, 3], columns={"loss": [2.0, 1.5]})
    assert not observations.has("lr")
    assert np.isnan(observations.column("lr")).all()


def test_a_column_of_nothing_but_nan_has_no_value():
    observations = Observations(run="a", step=[0, 1], columns={"lr": [np.nan, np.nan]})
    assert not observations.has("lr")


@pytest.mark.parametrize("step", [[0, 0], [1, 0], [-1, 0], [[0, 1]]])
def test_steps_must_increase_from_zero(step):
    with pytest.raises(ArgumentError, match="strictly increase"):
        Observations(run="a", step=step, columns={})


def test_an_unknown_column_is_refused_by_name():
    with pytest.raises(ArgumentError, match="got 'grad_norm'"):
        Observations(run="a", step=[0], columns={"grad_norm": [1.0]})


def test_a_column_has_a_value_for_every_step():
    with pytest.raises(ArgumentError, match="2 steps"):
        Observations(run="a", step=[0, 1], columns={"loss": [1.0]})
