"""Trials: short or whole trainings of a task, and the engines that run many of them."""

from learnrate.trials._kept import kept_state
from learnrate.trials._random import derived_seed, kept_random_state, seed_everything
from learnrate.trials._training import Training, check_task, preserved
from learnrate.trials._trial import Curve, DivergenceTest, Status, Trial, Update, run_trial

__all__ = [
    "Curve",
    "DivergenceTest",
    "Status",
    "Training",
    "Trial",
    "Update",
    "check_task",
    "derived_seed",
    "kept_random_state",
    "kept_state",
    "preserved",
    "run_trial",
    "seed_everything",
]
