"""The closed forms against their derivation, their limits, and an exact simulation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate import ArgumentError
from learnrate.meta.theory import FIGURE_2, FIGURE_3, Regression, draw_theory, simulate


@pytest.fixture(scope="module")
def drawn():
    return simulate(FIGURE_2, 4000, progress=False)


problems = st.builds(
    Regression,
    n_train=st.integers(1, 60),
    n_val=st.integers(1, 3),
    n_adapt=st.integers(1, 60),
    tasks=st.integers(1, 5),
    dim=st.integers(16, 80),
    sigma=st.floats(0.1, 3.0),
    nu=st.floats(0.0, 3.0),
    start=st.floats(0.0, 3.0),
)


def test_the_papers_figure_2_has_its_optima_where_the_formula_says():
    assert FIGURE_2.best_inner_lr == pytest.approx(-1.011, abs=1e-3)
    assert FIGURE_2.worst_inner_lr == pytest.approx(0.494, abs=1e-3)
    assert FIGURE_2.best_adapt_lr(inner_lr=0.2) == pytest.approx(0.090, abs=5e-4)
    rates = [-2, -1, -0.5, -0.2, 0, 0.2, 0.5, 1.0]
    expected = [0.6848, 0.6837, 0.6855, 0.6918, 0.7029, 0.7218, 0.7401, 0.7210]
    assert FIGURE_2.loss(rates, 0.2) == pytest.approx(expected, abs=6e-5)


@given(problems)
def test_over_parameterised_the_best_inner_rate_is_the_negative_root(problem):
    n, p = problem.n_train, problem.dim
    root = math.sqrt((n + 1) ** 2 + 4 * n * p)
    assert problem.best_inner_lr == pytest.approx(-(n + 1 + root) / (2 * p), rel=1e-6)
    assert problem.worst_inner_lr == pytest.approx((root - n - 1) / (2 * p), rel=1e-6)


@given(problems)
def test_the_best_adaptation_rate_is_never_negative_and_beats_its_neighbours(problem):
    best = problem.best_adapt_lr(inner_lr=0.1)
    around = problem.loss(0.1, [best - 1e-3, best, best + 1e-3])
    assert best >= 0
    assert around.argmin() == 1


@given(problems, st.floats(-2.0, 2.0))
def test_losses_scale_with_the_square_of_noise_and_scatter(problem, rate):
    double = replace(problem, sigma=2 * problem.sigma, nu=2 * problem.nu, start=2 * problem.start)
    assert double.loss(rate, 0.1) == pytest.approx(4 * problem.loss(rate, 0.1), rel=1e-9)


def test_without_label_noise_the_inner_rate_does_not_matter():
    clean = replace(FIGURE_2, sigma=0.0)
    assert clean.best_inner_lr is None
    assert clean.loss(-1.0, 0.2) == clean.loss(0.5, 0.2)


def test_under_parameterised_the_optimum_is_negative_but_tiny():
    assert FIGURE_3.regime == "under-parameterised"
    assert FIGURE_3.best_inner_lr == pytest.approx(-0.028, abs=1e-3)
    grid = np.linspace(-0.5, 0.5, 2001)
    lowest = grid[FIGURE_3.loss(grid, 0.2).argmin()]
    assert lowest == pytest.approx(FIGURE_3.best_inner_lr, abs=1e-3)


def test_figure_3_has_the_axis_that_was_printed_not_its_caption():
    printed = FIGURE_3.loss(np.linspace(-0.2, 0.5, 50), 0.2)
    assert 0.97 < printed.min() < printed.max() < 1.07
    caption = replace(FIGURE_3, sigma=0.2, nu=0.2)
    assert caption.loss(0.0, 0.2) == pytest.approx(0.039, abs=1e-3)


def test_simulation_finds_the_negative_optimum_and_the_positive_worst(drawn):
    best, worst = drawn.best_inner_lr(), drawn.worst_inner_lr()
    assert best.inner_lr == pytest.approx(-1.04, abs=0.05 + 2 * best.error)
    assert worst.inner_lr == pytest.approx(0.49, abs=0.03)
    assert drawn.best_adapt_lr(0.2) == pytest.approx(0.093, abs=0.002)


def test_a_negative_rate_gains_what_was_published_draw_by_draw(drawn):
    gain = drawn.gain(-1.0, over=0.0, adapt_lr=0.2)
    assert gain.mean == pytest.approx(-0.0219, abs=3 * gain.error)
    assert gain.error < 0.0006


def solved_by_pseudo_inverse(problem, rate, rng):
    """One meta-training set, built and solved row by row; the squared distance to the centre."""
    rows, targets = [], []
    for _ in range(problem.tasks):
        w = problem.nu / math.sqrt(problem.dim) * rng.standard_normal(problem.dim)
        x = rng.standard_normal((problem.n_train, problem.dim))
        v = rng.standard_normal((problem.n_val, problem.dim))
        y = x @ w + problem.sigma * rng.standard_normal(problem.n_train)
        u = v @ w + problem.sigma * rng.standard_normal(problem.n_val)
        step = rate / problem.n_train * v @ x.T
        rows.append(v - step @ x)
        targets.append(u - step @ y)
    start = np.zeros(problem.dim)
    start[0] = problem.start
    matrix, target = np.concatenate(rows), np.concatenate(targets)
    solution = start + np.linalg.pinv(matrix) @ (target - matrix @ start)
    return float(solution @ solution)


@pytest.mark.parametrize("tasks", [3, 12], ids=["over", "under"])
def test_the_simulation_equals_a_plain_solution_of_the_problem(tasks):
    problem = Regression(
        n_train=6, n_val=2, n_adapt=5, tasks=tasks, dim=8, sigma=0.7, nu=0.9, start=1.5
    )
    rng = np.random.default_rng(1)
    plain = np.array([solved_by_pseudo_inverse(problem, -0.4, rng) for _ in range(3000)])
    fast = simulate(problem, 3000, progress=False).spreads(-0.4) - problem.nu**2
    # Heavy tails near the threshold: compare the logarithm, whose mean exists comfortably.
    difference = np.log(plain).mean() - np.log(fast).mean()
    error = math.sqrt((np.log(plain).var() + np.log(fast).var()) / 3000)
    assert abs(difference) < 4 * error


def test_with_many_tasks_the_under_parameterised_formula_is_what_is_simulated():
    problem = replace(FIGURE_3, tasks=1000)
    drawn = simulate(problem, 12, progress=False)
    for rate in (-0.1, 0.0, 0.2):
        simulated = drawn.loss(rate, 0.2)
        assert simulated.mean == pytest.approx(
            float(problem.loss(rate, 0.2)), abs=3e-4 + 4 * simulated.error
        )


def test_the_figure_shows_both_losses_and_their_optima():
    figure = draw_theory(
        FIGURE_2, inner_lr=0.2, adapt_lr=0.2, simulated=simulate(FIGURE_2, 50, progress=False)
    )
    left, right = figure.axes
    assert {text.get_text() for text in left.texts} == {"best 0.09"}
    assert {text.get_text() for text in right.texts} == {"best -1", "worst 0.49"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dim": 6}, "dim must differ from n_val"),
        ({"tasks": 0}, "tasks must be a whole number"),
        ({"sigma": -1.0}, "sigma must be a number from 0 to 1e100"),
        ({"nu": math.nan}, "nu must be a number from 0 to 1e100"),
    ],
)
def test_a_problem_outside_the_rules_is_refused(changed, message):
    with pytest.raises(ArgumentError, match=message):
        replace(FIGURE_2, **changed)


def test_one_run_or_more_than_memory_holds_is_refused():
    with pytest.raises(ArgumentError, match="from 2 to"):
        simulate(FIGURE_2, 1)
    with pytest.raises(ArgumentError, match="take 2 GB"):
        simulate(FIGURE_2, 10**9)
