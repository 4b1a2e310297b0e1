"""train: the reference loop, with and without closed loops."""

import numpy as np
import pytest

import learnrate
from learnrate import ArgumentError
from learnrate.controllers import Bounded, Plateau
from learnrate.schedules import Constant
from learnrate.testing import quadratic_task


def test_a_text_a_number_and_a_value_are_the_same_schedule():
    task = quadratic_task(total_steps=40)
    finals = [
        learnrate.train(task, schedule).curve.final
        for schedule in (0.05, "0.05", 0.05 * Constant(40))
    ]
    assert finals[0] == finals[1] == finals[2]


def test_the_same_seed_repeats_the_run_to_the_bit():
    first, again = (learnrate.train(quadratic_task(), 0.05, seed=3).curve for _ in range(2))
    assert np.array_equal(first.loss, again.loss)


@pytest.mark.parametrize(
    "verb",
    [
        lambda task: learnrate.train(task, 0.05),
        lambda task: learnrate.sweep(task, [0.01, 0.1]),
        learnrate.compare,
    ],
)
def test_the_text_that_the_command_line_takes_is_no_task(verb):
    with pytest.raises(ArgumentError, match=r"must be a learnrate.Task; got 't.py:task'. Load it"):
        verb("t.py:task")
    with pytest.raises(ArgumentError, match=r"must be a learnrate.Task; got None\.$"):
        verb(None)


def test_a_training_prints_how_it_ended_and_no_arrays():
    trained = learnrate.train(quadratic_task(total_steps=40), 0.05)
    assert str(trained) == (
        "finished after 40 updates under 0.05 * constant(40): "
        f"loss {trained.curve.loss[-4:].mean():.4g}, "
        f"validation {trained.curve.validation:.4g}; findings: none."
    )
    assert trained.to_dict()["loss"] == trained.final_loss


def test_another_length_than_the_schedules_is_refused():
    with pytest.raises(ArgumentError, match="is 40 steps long, but total_steps=50 was given"):
        learnrate.train(quadratic_task(), 0.05 * Constant(40), total_steps=50)


def test_without_controllers_the_schedule_is_unchanged():
    trained = learnrate.train(quadratic_task(total_steps=40), "0.05 * warmup(10%) >> linear()")
    assert str(trained.schedule) == "0.05 * warmup(4) >> linear(36)"
    assert trained.changes == ()


@pytest.fixture(scope="module")
def controlled():
    controllers = [Bounded(Plateau(window=100, improvement=0.2, cooldown=50), lowest=0.01)]
    return learnrate.train(
        quadratic_task(noise=0.3), "0.1 * warmup(50) >> constant()", total_steps=1500,
        controllers=controllers,
    )  # fmt: skip


def test_a_plateau_after_a_warm_up_cuts_the_rate_and_says_why(controlled):
    first = controlled.changes[0]
    assert controlled.curve.lr[60] == 0.1
    assert controlled.curve.lr[first.step] == pytest.approx(0.01)
    assert first.reason
    assert controlled.to_dict()["changes"][0]["step"] == first.step
    assert controlled.curve.lr.min() >= 0.1 * 0.01 / 51


def test_training_under_the_realised_schedule_repeats_the_run(controlled):
    text = str(controlled.schedule)
    again = learnrate.train(quadratic_task(noise=0.3), text)
    assert np.array_equal(again.curve.lr, controlled.curve.lr)
    assert np.array_equal(again.curve.loss, controlled.curve.loss)
