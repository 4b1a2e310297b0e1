"""Trainings whose rate is decided on: when it is asked, what it is told, and what the rate becomes."""

import pytest

from learnrate.claims._decisions import loss_under_decisions
from learnrate.testing import quadratic_task


def test_the_rate_is_decided_on_at_equal_distances_and_kept_between_them():
    readings = []

    def decider(optimizer):
        def decide(training_loss, validation_loss):
            readings.append((training_loss, validation_loss))
            optimizer.param_groups[0]["lr"] /= 2

        return decide

    task = quadratic_task(total_steps=40)
    final, share = loss_under_decisions(task, 0.1, 0, decisions=4, decider=decider)
    assert share == pytest.approx(2.0**-4)
    assert [loss for loss, _ in readings] == sorted((loss for loss, _ in readings), reverse=True)
    assert final <= readings[-1][0]


def test_a_run_that_diverges_counts_with_its_first_loss_and_its_first_rate():
    losses = []

    def run(lr):
        return loss_under_decisions(
            quadratic_task(total_steps=40),
            lr,
            0,
            decisions=40,
            decider=lambda _: lambda training_loss, _validation: losses.append(training_loss),
        )

    run(0.01)
    assert run(1e6) == (pytest.approx(losses[0]), 1.0)
