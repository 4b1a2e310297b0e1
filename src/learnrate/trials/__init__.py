"""Trials: short or whole trainings of a task, and the engines that run many of them."""

from learnrate.trials._auto import ENGINES, Choice, Timing, choose_engine, engine_of
from learnrate.trials._batchable import batchable
from learnrate.trials._distributed import RankError, ranks
from learnrate.trials._engines import Engine, ProgressCallback, Sequential
from learnrate.trials._journal import Journal, fingerprint
from learnrate.trials._kept import kept_state, without_hooks
from learnrate.trials._probe import Probe, probe
from learnrate.trials._processes import available_cores
from learnrate.trials._random import derived_seed, kept_random_state, seed_everything
from learnrate.trials._ray import RayEngine
from learnrate.trials._size import task_size
from learnrate.trials._substitution import Substitution
from learnrate.trials._task_check import check_task
from learnrate.trials._together import costs_together
from learnrate.trials._training import Training, preserved
from learnrate.trials._trial import (
    Curve,
    DivergenceTest,
    Status,
    Trial,
    Update,
    UpdateSequence,
    run_trial,
)
from learnrate.trials._vectorised import Vectorised

__all__ = [
    "ENGINES",
    "Choice",
    "Curve",
    "DivergenceTest",
    "Engine",
    "Journal",
    "Probe",
    "ProgressCallback",
    "RankError",
    "RayEngine",
    "Sequential",
    "Status",
    "Substitution",
    "Timing",
    "Training",
    "Trial",
    "Update",
    "UpdateSequence",
    "Vectorised",
    "available_cores",
    "batchable",
    "check_task",
    "choose_engine",
    "costs_together",
    "derived_seed",
    "engine_of",
    "fingerprint",
    "kept_random_state",
    "kept_state",
    "preserved",
    "probe",
    "ranks",
    "run_trial",
    "seed_everything",
    "task_size",
    "without_hooks",
]
