"""What is said of a loss does not depend on its level or unit, and is never said of healthy work."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from healthy_losses import FAMILIES, SPACINGS, N, healthy_logs, logged, rate
from hypothesis import given, settings
from hypothesis import strategies as st

from learnrate import ArgumentError
from learnrate.controllers import Observation, Plateau, replay
from learnrate.run import Guard
from learnrate.run._guard import GuardState
from learnrate.watch import OBJECTIVES, RULES, Observations, diagnose
from learnrate.watch.readers import read_runs

CASES = Path(__file__).parent / "cases"
CROSS_ENTROPY_RULES = {"LR404", "LR501"}  # of a loss in nats, whose number of classes is known
AFFINE = {
    "power": st.integers(-6, 6),
    "offset": st.sampled_from([-1000.0, -76.25, -1.0, 0.0, 2.0, 1000.0]),
}


def transformed(observations, scale, offset):
    """The run as its log would be with another unit and another zero of the loss."""
    columns = dict(observations.columns)
    for name in {"loss", "validation"} & columns.keys():
        columns[name] = scale * columns[name] + offset
    facts = dict(observations.facts)
    chance = facts.get("chance", np.log(facts["classes"]) if "classes" in facts else None)
    if chance is not None:
        facts["chance"] = float(scale * chance + offset)
    return Observations(
        run=observations.run,
        step=observations.step,
        columns=columns,
        total_steps=observations.total_steps,
        schedule=observations.schedule,
        facts=facts,
    )


def verdicts(observations):
    findings = diagnose(observations).findings
    return [
        (finding.code, finding.severity, finding.step)
        for finding in findings
        if finding.code not in CROSS_ENTROPY_RULES
    ]


@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if rule.code not in CROSS_ENTROPY_RULES],
    ids=lambda rule: rule.code,
)
@settings(max_examples=15)
@given(**AFFINE)
def test_the_findings_in_a_faulty_run_do_not_depend_on_the_scale_or_offset_of_the_loss(
    rule, power, offset
):
    run = rule.example_run()
    assert verdicts(transformed(run, 2.0**power, offset)) == verdicts(run)


@settings(max_examples=40)
@given(family=st.sampled_from(FAMILIES), rows=st.sampled_from(SPACINGS), **AFFINE)
def test_the_findings_in_a_healthy_run_do_not_depend_on_the_scale_or_offset_of_the_loss(
    family, rows, power, offset
):
    rng = np.random.default_rng(5)
    run = logged(family(rng, N), rate(rng, N), rows)
    moved = transformed(run, 2.0**power, offset)
    assert verdicts(moved) == verdicts(run)
    assert bool(diagnose(moved).not_judged) == bool(diagnose(run).not_judged)


def test_no_healthy_run_has_an_error_and_one_in_a_hundred_a_warning():
    """Fifteen families of work, at every update, every tenth, and 60, 30 and 20 rows."""
    warned, runs = Counter(), Counter()
    for family, rows, run in healthy_logs(6):
        severities = {str(finding.severity) for finding in diagnose(run).findings}
        assert "error" not in severities, (family, rows)
        warned[rows] += "warning" in severities
        runs[rows] += 1
    assert all(warned[rows] <= 0.012 * runs[rows] for rows in SPACINGS), warned


@pytest.mark.parametrize("rows", SPACINGS)
def test_a_rate_that_is_too_high_is_never_called_too_low(rows):
    """The loss falls at once to what the noise of the rate allows, and on as the rate decays."""
    time = np.arange(N) / N
    for seed, decay in enumerate((1 - time, 0.5 * (1 + np.cos(np.pi * time)), np.ones(N))):
        noise = np.random.default_rng(seed).standard_normal(N)
        loss = 0.5 + 1.5 * np.exp(-np.arange(N) / 3) + 0.7 * decay * (1 + 0.1 * noise)
        diagnosis = diagnose(logged(loss, 1e-2 * decay, rows))
        assert "LR201" not in diagnosis.codes()


def burst_at(losses, first, height):
    return np.where(
        (first <= np.arange(losses.size)) & (np.arange(losses.size) < first + 5),
        losses + height,
        losses,
    )


def first_trouble(losses):
    """The step at which the guard asks for a rescue; None if it never does."""
    guard = GuardState(Guard(), 400)
    for step, loss in enumerate(losses.tolist()):
        if guard.trouble(loss) is not None:
            return step
    return None


@settings(max_examples=30)
@given(height=st.sampled_from([0.0, 0.05, 0.4, 40.0]), **AFFINE)
def test_the_guard_acts_at_the_same_step_whatever_the_scale_and_offset_of_the_loss(
    height, power, offset
):
    noise = np.random.default_rng(0).standard_normal(400)
    losses = burst_at(0.3 + 2.0 * np.exp(-np.arange(400) / 40) + 0.02 * noise, 250, height)
    expected = 252 if height >= 0.4 else None
    assert first_trouble(losses) == expected
    assert first_trouble(2.0**power * losses + offset) == expected


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_the_guard_leaves_healthy_work_alone(family):
    assert first_trouble(family(np.random.default_rng(1), N)) is None


@settings(max_examples=30)
@given(fall=st.sampled_from([0.0, 0.5, 2.0]), **AFFINE)
def test_plateau_cuts_at_the_same_steps_whatever_the_scale_and_offset_of_the_loss(
    fall, power, offset
):
    steps = np.arange(600)
    noise = np.random.default_rng(0).standard_normal(600)
    losses = -fall * np.minimum(steps, 300) / 300 + 0.01 * noise

    def cuts(values):
        run = [Observation(step=step, loss=loss) for step, loss in enumerate(values.tolist())]
        return [change.step for change in replay(Plateau(window=50), run)]

    assert bool(cuts(losses)) == (fall > 0)
    assert cuts(2.0**power * losses + offset) == cuts(losses)


def test_plateau_does_not_cut_during_a_steady_fall_far_from_zero():
    noise = np.random.default_rng(0).standard_normal(1000)
    losses = -1000.0 - 0.0025 * np.arange(1000) + 0.02 * noise
    run = [Observation(step=step, loss=loss) for step, loss in enumerate(losses.tolist())]
    assert replay(Plateau(window=100), run) == ()


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name != "descent"])
def test_with_an_objective_whose_loss_is_not_progress_only_certain_findings_are_reported(
    runs, objective
):
    facts = {"objective": objective}
    swing = runs.loss() + 1.3 * ((np.arange(400) >= 150) & (np.arange(400) < 240))
    lr, noise = runs.rate(), np.random.default_rng(0).standard_normal(400)
    diagnosis = runs.diagnose(loss=swing, lr=lr, facts=facts)
    assert diagnosis.codes() == []
    assert "objective does not measure progress" in diagnosis.not_judged
    assert "judge the rate by a validation loss, a reward or probes" in diagnosis.not_judged
    swing[390:] = np.inf
    assert runs.codes(loss=swing, lr=lr, facts=facts) == ["LR101"]
    assert (
        runs.codes(loss=runs.loss(), lr=0 * lr, gradient_norm=np.exp(0.1 * noise), facts=facts)
        == []
    )
    assert "LR305" in runs.codes(
        loss=runs.loss(),
        lr=np.where(np.arange(400) < 200, 1, 9) * lr,
        facts=facts | {"resumed_at": [200]},
    )


def test_an_unknown_objective_is_refused():
    import torch

    import learnrate

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    with pytest.raises(
        ArgumentError, match=r"attach\(objective=\.\.\.\) must be one of descent, "
    ):
        learnrate.attach(optimizer, None, objective="fall")


def test_a_loss_of_the_first_batch_that_is_not_finite_is_not_due_to_the_rate(runs):
    (finding,) = runs.diagnose(loss=np.full(200, np.inf), lr=np.full(200, 0.1)).findings
    assert (finding.code, finding.step) == ("LR101", 0)
    assert "the rate is not its cause" in finding.remedy


def test_an_explosion_of_the_first_steps_is_a_divergence_and_falling_back_is_not_progress(runs):
    loss = 10.0 + np.random.default_rng(0).standard_normal(400)
    loss[:12] = 2.31, 40.0, 9e3, 3.56e5, 2e5, 8e4, 2e4, 5e3, 900.0, 200.0, 60.0, 20.0
    (finding,) = runs.diagnose(loss=loss, lr=np.full(400, 1.0)).findings
    assert finding.code == "LR101"
    assert finding.evidence["start"] == 2.31


def test_a_rising_loss_is_a_fault_only_if_the_objective_is_to_lower_it(runs):
    loss = 1.0 + np.minimum(np.arange(400) / 100, 1) + 0.02 * runs.loss(noise=1.0, over=1e-3)
    diagnosis = runs.diagnose(loss=loss, lr=runs.rate())
    assert diagnosis.findings == ()
    assert "if it should fall, the rate is likely too high" in diagnosis.not_judged


def test_a_loss_that_grows_by_orders_of_magnitude_exploded_however_gradually(runs):
    noise = np.random.default_rng(0).standard_normal(400)
    loss = 1.0 + np.exp(np.arange(400) / 10) * (1e-3 + 1e-4 * noise) + 0.01 * noise
    (finding,) = runs.diagnose(loss=loss, lr=runs.rate()).findings
    assert (finding.code, finding.evidence["start"]) == ("LR101", pytest.approx(1.0, abs=0.05))


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("healthy/diffusion.csv", set()),
        ("healthy/offset_minus_1000.csv", set()),
        ("healthy/grpo", set()),
        ("healthy/thinned_trainer_state", set()),
        ("faulty/nan_in_every_row.csv", {"LR101"}),
        ("faulty/ten_times_too_high.csv", set()),
        ("faulty/ten_times_too_high_thinned.csv", set()),
        ("faulty/inputs_are_zero.csv", set()),
        ("faulty/inputs_are_zero_imbalanced.csv", set()),
    ],
)
def test_logs_of_other_tools_have_the_right_reading(name, codes):
    """The opposite of the truth is never said; what cannot be judged is said to be so."""
    (run,) = read_runs(CASES / name)
    diagnosis = diagnose(run)
    severe = {f.code for f in diagnosis.findings if str(f.severity) != "advice"}
    assert severe & {rule.code for rule in RULES if rule.code < "LR305"} == codes
    assert "LR201" not in diagnosis.codes()


def test_a_loss_that_varies_by_rounding_alone_has_not_diverged(runs):
    rounding = np.random.default_rng(0).integers(-1, 2, 400) * 2.0**-23
    columns = {
        "loss": 1.0832 + rounding,
        "lr": 0 * runs.rate(),
        "gradient_norm": np.full(400, 0.9),
    }
    assert runs.codes(**columns) == ["LR202"]
