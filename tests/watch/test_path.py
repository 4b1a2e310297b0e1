"""The path of the weights: its numbers on paths known in closed form, and what the rules say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnrate.watch import PATH_COLUMNS, Observations, diagnose, path_columns

LOW = {
    "path_distance": 0.02,
    "path_early": 0.13,
    **{f"path_turn_{part}": 0.99 for part in (2, 4, 8)},
    **{f"path_slope_{part}": 0.9 for part in (1, 2, 4, 8)},
}
HIGH = {**LOW, "path_distance": 12.0, "path_turn_2": 0.1}
GOOD = {
    **LOW,
    "path_distance": 0.8,
    **{f"path_turn_{part}": 0.3 for part in (2, 4, 8)},
    **{f"path_slope_{part}": 0.0 for part in (1, 2, 4, 8)},
}


def columns_of(weights, gradients):
    """The columns of a path of which every update is a checkpoint."""
    moved = weights - weights[0]
    updates = np.diff(weights, axis=0)
    pairs = [(gradients[:-1] * updates), (gradients[1:] * updates), updates**2]
    return path_columns(
        steps=list(range(len(weights))),
        products=moved @ moved.T,
        slopes=gradients @ moved.T,
        alignments=np.stack([products.sum(1) for products in pairs], axis=1),
        start_square=float(weights[0] @ weights[0]),
    )


def observed(
    path, *, total_steps=1000, lr=0.1, every=50, last=600, fall=None, path_fall=None, **facts
):
    """A run whose path has the same numbers at every measurement."""
    step = np.arange(0, last, 5)
    measured = range(every, last, every)
    path = {"path_updates": None, **path}
    if path_fall is not None:
        path["path_fall"] = path_fall
    pairs = {
        name: [[row, row if value is None else value] for row in measured]
        for name, value in path.items()
    }
    rates = np.full(step.size, lr) if np.isscalar(lr) else lr(step)
    columns = {"lr": rates}
    if fall is not None:
        columns["loss"] = 2.0 - fall * np.minimum(1.0, step / measured[-1])
    return Observations(
        run="a", step=step, columns=columns, total_steps=total_steps, facts=pairs | facts
    )


def codes(observations):
    return [finding.code for finding in diagnose(observations, only=["LR107", "LR204"]).findings]


def test_a_straight_path_down_a_plane_has_no_turn_and_loses_no_slope():
    slope = np.array([1.0, -2.0, 0.5])
    weights = np.ones(3) - 0.01 * np.outer(np.arange(17), slope)
    columns = columns_of(weights, np.tile(slope, (17, 1)))
    for part in (2, 4, 8):
        assert columns[f"path_turn_{part}"] == pytest.approx(1.0)
        assert columns[f"path_slope_{part}"] == pytest.approx(1.0)
    assert columns["path_slope_1"] == pytest.approx(1.0)
    assert columns["path_early"] == pytest.approx(1 / 8)
    assert columns["path_noise"] == pytest.approx(16**-0.5)
    assert columns["path_gain"] == pytest.approx(-1.0)
    assert columns["path_distance"] == pytest.approx(0.16 * np.linalg.norm(slope) / 3**0.5)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.02, 1.9).filter(lambda rate: abs(rate - 1) > 0.01))
def test_descent_on_a_parabola_loses_the_slope_it_should(rate):
    """x_t = (1 - rate)^t and the gradient is x_t, so the slope of the whole falls to that share."""
    weights = ((1.0 - rate) ** np.arange(17))[:, None]
    columns = columns_of(weights, weights)
    sign = 1.0 if weights[16, 0] < 1.0 else -1.0
    assert columns["path_slope_1"] == pytest.approx(sign * (1.0 - rate) ** 16, abs=1e-9)
    assert columns["path_gain"] == pytest.approx(-(1.0 - rate), rel=1e-6)


def test_a_random_walk_has_no_direction_and_a_bounce_turns_back():
    generator = np.random.default_rng(0)
    steps = generator.standard_normal((16, 20_000))
    walk = np.vstack([np.zeros(20_000), steps.cumsum(0)]) + 1.0
    columns = columns_of(walk, np.zeros_like(walk))
    assert all(abs(columns[f"path_turn_{part}"]) < 0.05 for part in (2, 4, 8))
    assert columns["path_noise"] == pytest.approx(1.0, abs=0.05)
    bounce = generator.standard_normal((17, 20_000))  # positions without memory
    assert columns_of(bounce, bounce)["path_turn_2"] == pytest.approx(-0.5, abs=0.05)


def test_numbers_that_are_not_finite_are_left_out():
    assert "path_distance" not in columns_of(np.zeros((17, 2)), np.ones((17, 2)))
    assert set(columns_of(np.eye(17)[:, :3] + 1.0, np.ones((17, 3)))) <= set(PATH_COLUMNS)


def test_a_straight_path_means_too_low_and_a_long_one_too_high_each_with_an_estimate():
    assert codes(observed(LOW)) == ["LR204"]
    assert codes(observed(HIGH)) == ["LR107"]
    assert codes(observed(GOOD)) == []
    (finding,) = diagnose(observed(HIGH), only=["LR107"]).findings
    evidence = finding.evidence
    assert 1.0 < evidence["low"] < evidence["multiple"] < evidence["high"]
    assert finding.severity == "advice"
    assert "Lower the peak rate by a factor of about 9.9, to 0.01" in finding.remedy


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {name: st.floats(-1.5, 1.5) for name in PATH_COLUMNS if "distance" not in name},
        optional={"path_distance": st.floats(1e-6, 1e6)},
    )
)
def test_no_path_is_both_too_low_and_too_high_and_a_long_one_is_never_too_low(path):
    path_codes = codes(observed({**path, "path_updates": None}))
    assert len(path_codes) <= 1
    if path.get("path_distance", 0.0) > 0.5:
        assert path_codes != ["LR204"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"total_steps": 10_000}, "was not measured twice after 15% of the run"),
        ({"lr": lambda step: np.minimum(0.1, 0.001 * (step + 1))}, None),
        ({"lr": lambda step: 0.1 * np.minimum(1.0, (step + 1) / 500)}, "was not measured twice"),
        (
            {"path_updates": [[step, 10.0] for step in range(50, 600, 50)]},
            "was not measured twice",
        ),
        ({"objective": "adversarial"}, "in an adversarial objective"),
        (
            {"path_fall": 0.3, "fall": 0.1},
            "but the slopes along the path predict 0.3: something",
        ),
        ({"path_fall": 0.1, "fall": 0.1}, None),
        ({"path_fall": 0.1, "fall": 0.6}, None),
    ],
    ids=[
        "too early",
        "short warm-up",
        "still warming up",
        "began later",
        "adversarial",
        "fell less than predicted",
        "fell as predicted",
        "fell more",
    ],
)
def test_a_path_that_cannot_be_judged_is_reported_with_the_reason(change, reason):
    diagnosis = diagnose(observed(LOW, **change), only=["LR204"])
    if reason is None:
        assert [finding.code for finding in diagnosis.findings] == ["LR204"]
    else:
        assert reason in diagnosis.not_run["LR204"]


def test_measurements_that_disagree_give_no_finding():
    mixed = observed(LOW)
    facts = dict(mixed.facts)
    later = [[step, 0.9 if step < 500 else -0.9] for step in range(50, 600, 50)]
    facts |= {"path_slope_4": later, "path_slope_8": later}
    run = Observations(
        run="a", step=mixed.step, columns=mixed.columns, total_steps=1000, facts=facts
    )
    assert codes(run) == []


def test_a_log_has_no_path():
    log = Observations(run="a", step=np.arange(50), columns={"lr": np.full(50, 0.1)})
    assert "attach measures it" in diagnose(log, only=["LR107"]).not_run["LR107"]


@pytest.mark.parametrize(("path", "codes"), [(LOW, ["LR204"]), (GOOD, [])])
def test_a_straight_loss_is_not_slow_where_the_weights_moved_far(path, codes):
    run = observed(path, last=1000, fall=1.0)
    straight = (
        2.0 - run.step / 1000 + 0.01 * np.random.default_rng(0).standard_normal(run.step.size)
    )
    columns = {"lr": run.columns["lr"], "loss": straight}
    every = {"step": np.arange(run.step.size), "columns": columns}
    facts = {name: [[s / 5, v] for s, v in pairs] for name, pairs in run.facts.items()}
    facts["path_updates"] = [[s, s] for s, _ in facts["path_updates"]]
    judged = Observations(run="a", total_steps=run.step.size, facts=facts, **every)
    diagnosis = diagnose(judged, only=["LR201", "LR204"])
    assert diagnosis.codes() == codes
    assert "LR201" not in diagnosis.not_run  # it is judged, and not too low
