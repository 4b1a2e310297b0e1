"""How small logs in the layouts of real tools are read: rows, steps, columns, and the total."""

from pathlib import Path

import numpy as np
import pytest

from learnrate.watch.readers import read_runs

CASES = Path(__file__).parent / "cases"

DETECTOR_LOSS = "train/box_loss + train/cls_loss + train/dfl_loss"
DETECTOR_VALIDATION = "val/box_loss + val/cls_loss + val/dfl_loss"
DETECTOR = (range(100), (DETECTOR_LOSS, "lr/pg1", DETECTOR_VALIDATION), None)
EVERY_TENTH = range(9, 400, 10)

# By path: the steps, the series of loss, rate and validation, and the total.
READINGS = {
    "healthy/diffusion.csv": (range(3000), ("loss", "lr", None), None),
    "healthy/grpo/trainer_state.json": (range(300), ("loss", "learning_rate", None), 300),
    "healthy/offset_minus_1000.csv": (range(600), ("loss", "lr", None), None),
    "healthy/step_restarts_each_epoch.csv": (range(2000), ("loss", "lr", None), None),
    "healthy/epoch_and_batch.csv": (range(1032), ("loss", "lr", None), None),
    "healthy/detection_toolbox.log.json": (range(49, 6000, 50), ("loss", "lr", None), None),
    "healthy/warm_restarts_t0_50_mult_2.csv": (range(1000), ("loss", "lr", None), None),
    "healthy/trainer_log/trainer_log.jsonl": (range(9, 1500, 10), ("loss", "lr", None), 1500),
    "healthy/tracker_export_min_max.csv": (
        range(0, 1000, 10),
        ("train/loss", "train/learning_rate", None),
        None,
    ),
    "healthy/detector_results/results.csv": DETECTOR,
    "healthy/thinned_trainer_state/checkpoint-400/trainer_state.json": (
        EVERY_TENTH,
        ("loss", "learning_rate", "eval_loss"),
        400,
    ),
    "faulty/nan_in_every_row.csv": (range(200), ("loss", "lr", None), None),
    "faulty/nan_in_every_validation.csv": (range(200), ("loss", "lr", "val_loss"), None),
    "faulty/step_restarts_rate_zero_from_half.csv": (range(2000), ("loss", "lr", None), None),
    "faulty/second_fit_epochs_from_0.csv": (
        range(80),
        ("loss", "learning_rate", "val_loss"),
        None,
    ),
    "faulty/trainer_log_rate_zero_from_half/trainer_log.jsonl": (
        range(9, 1500, 10),
        ("loss", "lr", None),
        1500,
    ),
    "faulty/tracker_export_rate_zero_from_half.csv": (
        range(0, 1000, 10),
        ("train/loss", "train/learning_rate", None),
        None,
    ),
    "faulty/detector_results_rate_zero/results.csv": DETECTOR,
    "faulty/detector_results_restarted/results.csv": DETECTOR,
    "faulty/rate_a_thousandth_from_resume_on.csv": (
        range(0, 2000, 10),
        ("loss", "lr", None),
        None,
    ),
    "faulty/resumed_ten_times_too_high.csv": (range(1032), ("loss", "lr", "val_loss"), None),
    "faulty/ten_times_too_high.csv": (range(400), ("loss", "lr", "val_loss"), None),
    "faulty/ten_times_too_high_thinned.csv": (EVERY_TENTH, ("loss", "lr", "val_loss"), None),
    "faulty/inputs_are_zero.csv": (range(375), ("loss", "lr", "val_loss"), None),
    "faulty/inputs_are_zero_imbalanced.csv": (range(420), ("loss", "lr", "val_loss"), None),
}


@pytest.mark.parametrize("path", READINGS)
def test_a_log_is_read_whole(path):
    """Every step has its loss and its rate, from the columns that hold them."""
    steps, series, total_steps = READINGS[path]
    (run,) = read_runs(CASES / path)
    assert run.step.tolist() == list(steps)
    assert not np.isnan(run.column("loss")).any()
    assert not np.isnan(run.column("lr")).any()
    assert tuple(map(run.facts["read_as"].get, ("loss", "lr", "validation"))) == series
    assert run.has("validation") == (series[2] is not None)
    assert run.total_steps == total_steps


def test_every_case_has_a_reading():
    files = {path.relative_to(CASES).as_posix() for path in CASES.rglob("*") if path.is_file()}
    assert files == set(READINGS)


def test_a_second_fit_whose_loss_continues_is_one_run_that_was_resumed():
    (run,) = read_runs(CASES / "faulty/second_fit_epochs_from_0.csv")
    assert run.facts["resumed_at"] == [40]
    assert "that was resumed at step 40" in run.facts["read_as"]["notes"][0]
    assert run.column("lr")[40] == run.column("lr")[0]


def test_epochs_whose_steps_restart_are_not_resumes():
    (run,) = read_runs(CASES / "healthy/step_restarts_each_epoch.csv")
    assert run.facts["steps_per_epoch"] == 200
    assert "resumed_at" not in run.facts


def test_a_loss_in_parts_is_their_sum_and_the_bias_group_is_not_the_rate():
    (run,) = read_runs(CASES / "healthy/detector_results/results.csv")
    assert run.column("loss")[0] == pytest.approx(1.5052 + 2.2114 + 1.3022)
    assert run.column("validation")[-1] == pytest.approx(0.56446 + 0.48194 + 0.80184)
    assert run.column("lr")[0] == 0.0032667  # the bias group begins at 0.0706
