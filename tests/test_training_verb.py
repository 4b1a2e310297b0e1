"""train: the reference loop, with and without closed loops."""

import dataclasses
import math

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


def test_the_same_seed_repeats_the_run_to_the_last_bit():
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
def test_the_text_that_the_command_line_takes_is_not_a_task(verb):
    with pytest.raises(ArgumentError, match=r"must be a learnrate.Task; got 't.py:task'. Load it"):
        verb("t.py:task")
    with pytest.raises(ArgumentError, match=r"must be a learnrate.Task; got None\.$"):
        verb(None)


def test_a_training_prints_how_it_ended_and_no_arrays():
    trained = learnrate.train(quadratic_task(total_steps=40), 0.05)
    assert str(trained) == (
        f"finished after 40 updates under 0.05 * constant(40), {trained.curve.seconds:.2g} s: "
        f"loss {trained.curve.loss[-4:].mean():.4g}, "
        f"validation {trained.curve.validation:.4g}; findings: none.\n"
        "The weights are in .model, the rates and losses in .curve."
    )
    assert repr(trained) == "<Trained: finished, 40 updates>"
    assert trained.to_dict()["loss"] == trained.final_loss


def validated_at_nan(**changes):
    task = quadratic_task(total_steps=40, **changes)
    return dataclasses.replace(task, validate=lambda model: math.nan)


def test_a_validation_loss_that_is_nan_is_noted():
    trained = learnrate.train(validated_at_nan(), 0.05)
    assert (trained.curve.status, trained.curve.error) == ("finished", "")
    note = "the validation loss is nan, but the training losses and the weights are finite: look"
    assert trained.curve.note.startswith(note)
    assert f"\n{trained.curve.note}\n" in str(trained)
    assert trained.to_dict()["note"] == trained.curve.note
    swept = learnrate.sweep(validated_at_nan(), [0.01, 0.05], seeds=1, progress=False)
    assert (swept.best, swept.advice) == (None, trained.curve.note)


def test_a_run_that_diverged_or_has_a_validation_loss_has_no_note():
    assert learnrate.train(quadratic_task(total_steps=40), 0.05).curve.note == ""
    assert learnrate.train(validated_at_nan(steepest=1e5), 1.0).curve.note == ""


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
