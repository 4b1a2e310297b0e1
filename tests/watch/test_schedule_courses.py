"""A rate is judged exactly: torch's own schedulers, logged at any spacing, with faults and without."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from learnrate.schedules import Table, schedule
from learnrate.watch import Observations, diagnose
from learnrate.watch._cosine import fit_cosine
from learnrate.watch._rate_course import RateCourse
from learnrate.watch._tracks import Track

CODES = ("LR305", "LR306", "LR307", "LR308")


def rates(make, n=1000, peak=0.1):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimizer)
        series = np.empty(n)
        for step in range(n):
            series[step] = optimizer.param_groups[0]["lr"]
            optimizer.step()
            scheduler.step()
    return series


def found(series, spacing=1, facts=None, planned=None, first_step=0):
    step = np.arange(0, len(series), spacing)
    return diagnose(
        Observations(
            run="a",
            step=step + first_step,
            columns={"lr": np.asarray(series)[step]},
            schedule=None if planned is None else Table(values=tuple(planned)),
            total_steps=None if planned is None else len(planned),
            facts=facts or {},
        ),
        only=CODES,
    ).findings


def codes(series, **known):
    return [finding.code for finding in found(series, **known)]


COSINE = rates(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 1000))
WARM = 0.1 * schedule("warmup(10%) >> cosine()").over(1000).table()
STEPS = rates(lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [250, 516], gamma=0.1))
SPACINGS = pytest.mark.parametrize("spacing", [1, 3, 10, 30])


@settings(max_examples=25)
@given(first=st.integers(5, 400), mult=st.integers(1, 3), spacing=st.sampled_from([1, 10, 50]))
def test_warm_restarts_of_any_length_are_healthy_at_any_spacing(first, mult, spacing):
    series = rates(
        lambda optimizer: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, first, mult)
    )
    assert codes(series, spacing=spacing) == []


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("facts", [{}, {"resumed_at": [100]}])
def test_cycles_of_a_polynomial_are_healthy_also_if_the_run_is_resumed_between_two(power, facts):
    series = 0.1 * (1 - np.arange(1000) % 100 / 100) ** power
    for spacing in (10, 30):
        assert codes(series, spacing=spacing, facts=facts) == []


def test_cycles_that_stay_at_their_floor_before_they_restart_are_healthy():
    cycle = np.r_[np.linspace(0.1, 0.01, 180), np.full(20, 0.01)]
    assert codes(np.tile(cycle, 2), facts={"resumed_at": [200]}) == []


@SPACINGS
@pytest.mark.parametrize("factor", [0.001, 0.3, 1.5, 3.0, 7.0, 10.0, 1000.0])
def test_another_rate_from_a_resume_on_is_a_jump_at_the_resume(factor, spacing):
    series = np.concatenate([COSINE[:601], factor * COSINE[601:]])
    (finding,) = found(series, spacing=spacing)
    assert finding.code == "LR305"
    assert 601 <= finding.step < 601 + spacing


@SPACINGS
@pytest.mark.parametrize("base", [COSINE, WARM], ids=["cosine", "with a warm-up"])
def test_a_schedule_that_restarts_on_resume_jumped(base, spacing):
    (finding,) = found(np.concatenate([base[:601], base[:399]]), spacing=spacing)
    assert finding.code == "LR305"
    assert abs(finding.step - 601) <= 2 * spacing


def test_the_resume_is_named_and_not_the_step_decay_before_it():
    (finding,) = found(np.concatenate([STEPS[:619], 10.0 * STEPS[619:]]))
    assert (finding.code, finding.step) == ("LR305", 619)
    assert codes(STEPS) == []


def test_a_constant_rate_that_rises_sevenfold_in_the_middle_jumped():
    assert codes(np.where(np.arange(1000) < 500, 0.01, 0.07)) == ["LR305"]


@SPACINGS
@pytest.mark.parametrize(
    ("half", "code"), [(550, "LR306"), (850, "LR306"), (95, "LR307"), (72, "LR307")]
)
def test_a_cosine_past_its_end_rises_again_and_one_in_epochs_oscillates(half, code, spacing):
    series = rates(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, half, 0.01))
    assert codes(series, spacing=spacing) == [code]


@SPACINGS
@pytest.mark.parametrize(
    "applied",
    [
        np.concatenate([WARM[1:], WARM[-1:]]),
        np.concatenate([[0.0], WARM[:-1]]),
        np.array([float(f"{rate:.3g}") for rate in WARM]),
    ],
    ids=["one ahead", "from 0", "rounded"],
)
def test_a_log_that_is_off_by_one_update_follows_its_schedule(applied, spacing):
    assert codes(applied, spacing=spacing, planned=WARM) == []


def test_epochs_counted_from_1_follow_a_schedule_over_epochs():
    planned = schedule("0.1 * cosine()").over(20).table()
    assert codes(planned, planned=planned, first_step=1) == []


@pytest.mark.parametrize("spacing", [1, 3, 10])
@pytest.mark.parametrize(
    "text",
    ["warmup(20%) >> cosine()", "warmup(5%) >> cosine()", "cosine()"],
    ids=["twice as long", "half as long", "missing"],
)
def test_a_wrong_warm_up_does_not_follow_the_schedule(text, spacing):
    applied = WARM.copy()
    applied[:200] = 0.1 * schedule(text).over(1000).table()[:200]
    assert codes(applied, spacing=spacing, planned=WARM) == ["LR308"]


@SPACINGS
def test_a_decay_that_is_one_and_a_half_times_too_long_does_not_follow_the_schedule(spacing):
    longer = 0.1 * schedule("warmup(100) >> cosine(1350)").over(1450).table()[:1000]
    assert codes(longer, spacing=spacing, planned=WARM) == ["LR308"]


def test_a_rate_that_is_computed_from_data_is_not_judged():
    noise = np.random.default_rng(0).standard_normal(400)
    assert codes(0.1 * np.exp(np.cumsum(0.3 * noise))) == []


@given(
    half_period=st.floats(20, 2000),
    crest=st.floats(-50, 50),
    floor=st.floats(0.0, 0.5),
)
def test_a_cosine_is_fitted_exactly_from_a_part_of_it(half_period, crest, floor):
    step = np.arange(0, int(0.8 * half_period), dtype=float)
    value = floor + (1 - floor) * (0.5 + 0.5 * np.cos(np.pi * (step - crest) / half_period))
    if np.ptp(value) < 0.3:
        return
    cosine = fit_cosine(step, value)
    assert cosine is not None
    assert cosine.half_period == pytest.approx(half_period, rel=1e-3)
    assert cosine.residual < 1e-6


def test_the_course_of_a_step_schedule_has_one_point_for_each_step():
    rate = np.repeat(np.linspace(1.0, 0.1, 20), 25)
    course = RateCourse(Track(np.arange(500), rate))
    assert course.has_stairs
    assert course.points.step.tolist() == list(range(0, 500, 25))
    assert course.gaps == []


def test_a_rate_that_breaks_very_often_is_judged_by_its_first_breaks():
    step = np.arange(60_000)
    series = 0.05 * (1.0 + np.cos(np.pi * (step % 50) / 50))
    course = RateCourse(Track(step, series))
    assert len(course.gaps) == 300
    assert codes(series) == []
