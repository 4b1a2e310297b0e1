"""What the record of a run must be like before any rule reads it."""

import numpy as np
import pytest

from learnrate import ArgumentError
from learnrate.watch import Observations, Watcher


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


@pytest.mark.parametrize("step", [[0.5, 1], [0, np.nan], [0, np.inf]])
def test_a_step_that_is_not_whole_is_refused(step):
    with pytest.raises(
        ArgumentError, match=r"Observations\(step=...\) must be whole numbers; got"
    ):
        Observations(run="a", step=step, columns={})


def test_what_is_not_a_number_is_refused_with_the_name_of_its_column():
    with pytest.raises(ArgumentError, match=r"\(columns\['loss'\]\) must be numbers; got \['x'\]"):
        Observations(run="a", step=[0], columns={"loss": ["x"]})
    with pytest.raises(ArgumentError, match=r"feed\(step=...\) must be numbers; got \['p'\]"):
        Watcher("a").feed(["p"], {"loss": [1.0]})


def test_numbers_of_any_type_are_taken():
    observations = Observations(
        run="a", step=np.array([0.0, 2**40]), columns={"loss": [None, 2], "lr": np.float32([1, 2])}
    )
    assert observations.step.tolist() == [0, 2**40]
    assert observations.column("loss")[1] == 2.0
    assert observations.column("lr").dtype == float


def test_an_unknown_column_is_refused_by_name():
    with pytest.raises(ArgumentError, match="got 'grad_norm'"):
        Observations(run="a", step=[0], columns={"grad_norm": [1.0]})


def test_a_column_has_a_value_for_every_step():
    with pytest.raises(ArgumentError, match="2 steps"):
        Observations(run="a", step=[0, 1], columns={"loss": [1.0]})


@pytest.mark.parametrize("total_steps", [-1, 0, 1.5, True])
def test_the_length_of_a_run_is_a_whole_number_of_at_least_1(total_steps):
    with pytest.raises(ArgumentError, match=r"Observations\(total_steps=.*must be a whole number"):
        Observations(run="a", step=[0], columns={}, total_steps=total_steps)
