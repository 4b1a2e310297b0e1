"""The law fitted to a table of runs, and its predictions for other runs."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_law import EXPONENTS, LEVELS, MIDDLE, MIDDLE_LR, law, table

from learnrate import ArgumentError
from learnrate.scaling import FitVerdict, find_optima, fit, read_runs

BEYOND = {"N": 1e9, "D": 3e10, "B": 256}


def fitted(runs, **options):
    return fit(runs, progress=False, **options)


# What it predicts


def test_without_noise_the_best_rate_of_each_group_is_exact():
    for optimum in find_optima(read_runs(table())):
        assert optimum.edge == ""
        assert optimum.lr == pytest.approx(law(optimum.factors), rel=1e-9)


def test_without_noise_the_law_is_recovered_beyond_the_table():
    scaled = fitted(table()).predict(**BEYOND)
    assert scaled.lr == pytest.approx(law(BEYOND), rel=0.02)
    assert scaled.verdict == FitVerdict.OK
    for name, power in scaled.exponents.items():
        assert power.value == pytest.approx(EXPONENTS[name], abs=0.02)


def test_known_rates_and_exponents_lie_in_their_intervals_about_as_often_as_stated():
    covered = {"lr": [], **{name: [] for name in EXPONENTS}}
    for seed in range(25):
        scaled = fitted(table(noise=0.001, log_std=0.2, seed=seed), resamples=60).predict(**MIDDLE)
        # the interval is that of one more group, which deviates from the law too
        best = law(MIDDLE) * np.exp(0.2 * np.random.default_rng(seed + 999).standard_normal())
        covered["lr"].append(scaled.low <= best <= scaled.high)
        for name, power in scaled.exponents.items():
            covered[name].append(power.low <= EXPONENTS[name] <= power.high)
    for shares in covered.values():
        assert 0.6 <= np.mean(shares) <= 1.0
    assert 0.7 <= np.mean(list(covered.values())) <= 0.95


def test_an_exponent_that_changes_with_the_batch_is_found():
    bent = fitted(table(bend=0.15, noise=0.0005, log_std=0.05))
    small, large = (
        bent.predict(**MIDDLE | {"B": batch}).exponents["D"].value for batch in (32, 512)
    )
    for exponent, batch in ((small, 32), (large, 512)):
        assert exponent == pytest.approx(-0.2 + 0.15 * math.log(batch / 128), abs=0.06)


def test_beyond_the_table_the_law_has_the_exponents_of_its_edge():
    bent = fitted(table(bend=0.15))
    edge, far, farther = (bent.predict(**MIDDLE | {"D": 1.6e10 * k}) for k in (1, 3, 9))
    assert edge.exponents["D"].value == far.exponents["D"].value
    assert far.lr / edge.lr == pytest.approx(farther.lr / far.lr, rel=1e-9)


def test_without_bends_no_second_order_term_is_chosen():
    assert fitted(table(log_std=0.05, seed=3)).law.terms == ()


def test_without_bends_it_agrees_with_least_squares():
    law_fit = fitted(table(log_std=0.05, seed=3))
    rows = np.array([[1.0, *np.log(list(o.factors.values()))] for o in law_fit.optima])
    solved, *_ = np.linalg.lstsq(rows, np.log([o.lr for o in law_fit.optima]), rcond=None)
    expected = np.exp(solved @ [1.0, *np.log(list(BEYOND.values()))])
    assert law_fit.predict(**BEYOND).lr == pytest.approx(expected, rel=0.03)


def test_a_group_far_from_the_law_hardly_changes_it():
    runs = table(log_std=0.05)
    wild = [lr * (8 if index < 9 else 1) for index, lr in enumerate(runs["lr"])]
    before, after = (
        fitted(columns).predict(**MIDDLE).lr for columns in (runs, runs | {"lr": wild})
    )
    assert after == pytest.approx(before, rel=0.02)


def test_one_outlier_hardly_changes_the_best_rate_of_its_group():
    runs = table({"B": (32, 64, 128, 256, 512)}, noise=0.0002, rates=11)
    runs["loss"][4] += 0.05
    spoilt = find_optima(read_runs(runs))[0]
    assert spoilt.lr == pytest.approx(law({"B": 32}), rel=0.15)


def test_seeds_of_one_rate_are_averaged():
    runs = table({"B": (32, 64, 128, 256)})
    twice = {name: values * 2 for name, values in runs.items()}
    shift = np.repeat([0.01, -0.01], len(runs["loss"]))
    twice["loss"] = list(np.array(twice["loss"]) + shift)
    assert fitted(twice).predict(B=128).lr == pytest.approx(
        fitted(runs).predict(B=128).lr, rel=1e-6
    )


@settings(max_examples=20)
@given(factor=st.floats(1e-3, 1e3), unit=st.floats(1e-6, 1e6), share=st.floats(0.1, 10.0))
def test_units_of_rates_factors_and_losses_do_not_matter(factor, unit, share):
    runs = table({"N": LEVELS["N"], "B": LEVELS["B"]}, noise=0.0005, log_std=0.1)
    converted = {
        "lr": [lr * factor for lr in runs["lr"]],
        "loss": [loss * share for loss in runs["loss"]],
        "N": [size * unit for size in runs["N"]],
        "B": runs["B"],
    }
    before = fitted(runs, resamples=0).predict(N=1e9, B=64)
    after = fitted(converted, resamples=0).predict(N=1e9 * unit, B=64)
    assert after.lr == pytest.approx(before.lr * factor, rel=1e-6)
    assert after.high / after.low == pytest.approx(before.high / before.low, rel=1e-6)


def test_farther_from_the_table_the_interval_is_wider():
    law_fit = fitted(table(noise=0.001, log_std=0.1))
    widths = [
        scaled.high / scaled.low
        for scaled in (law_fit.predict(**MIDDLE | {"N": n}) for n in (3e8, 1e9, 1e10))
    ]
    assert widths == sorted(widths)
    assert widths[2] > 1.2 * widths[0]


# What the table does not support


def reason(scaled):
    assert scaled.verdict == FitVerdict.WEAK
    assert scaled.low < scaled.lr < scaled.high
    return scaled.reason


def test_one_group_gives_the_rate_of_its_own_factors_only():
    group = {"N": 1e8, "D": 4e9, "B": 128}
    law_fit = fitted(table({name: (value,) for name, value in group.items()}))
    same, larger = law_fit.predict(**group), law_fit.predict(**group | {"N": 1e9})
    assert same.lr == pytest.approx(law(group), rel=1e-3)
    assert (same.verdict, same.exponents) == (FitVerdict.OK, dict.fromkeys(group))
    assert "N is always 1e+08 in the table, and the run has 1e+09" in reason(larger)
    assert larger.high / larger.low > 2 * same.high / same.low


def test_a_factor_that_is_constant_in_the_table_is_not_scaled_with():
    law_fit = fitted(table({"N": LEVELS["N"], "B": (128,)}))
    assert law_fit.predict(N=1e9).verdict == FitVerdict.OK
    assert law_fit.predict(N=1e9).exponents["B"] is None
    assert "B is always 128 in the table, and the run has 1024" in reason(
        law_fit.predict(N=1e9, B=1024)
    )


def test_too_few_groups_are_weak():
    scaled = fitted(table({"N": (1e8, 3e8)})).predict(N=1e9)
    assert "2 groups enclose their best rate; 1 exponent needs at least 4 groups" in reason(scaled)


def test_far_beyond_the_table_is_weak():
    assert "N=1e+11 is 3.3e+02 times beyond" in reason(
        fitted(table()).predict(**BEYOND | {"N": 1e11})
    )


def test_factors_that_vary_together_are_weak_away_from_their_line():
    runs = table({"N": (1e7, 3e7, 1e8, 3e8, 1e9)})
    runs["D"] = [20 * size for size in runs["N"]]
    law_fit = fitted(runs)
    assert law_fit.predict(N=3e8, D=6e9).verdict == FitVerdict.OK
    assert "N and D vary together in the table" in reason(law_fit.predict(N=3e8, D=1e11))


def test_groups_whose_best_rate_is_at_the_edge_are_left_out():
    runs = table({"B": (32, 64, 128, 256, 512)})
    keep = [
        not (batch == 512 and lr > 0.9 * law({"B": 512}))
        for lr, batch in zip(runs["lr"], runs["B"], strict=True)
    ]
    cut = {name: list(itertools.compress(values, keep)) for name, values in runs.items()}
    law_fit = fitted(cut)
    assert [(edge.factors["B"], edge.edge) for edge in law_fit.edges] == [(512, "highest")]
    assert law_fit.predict(B=512).lr == pytest.approx(law({"B": 512}), rel=0.05)


def test_if_every_best_rate_is_at_the_edge_the_verdict_is_weak_and_says_where_to_look():
    runs = table({"B": (32, 64, 128, 256, 512)})
    falling = runs | {"loss": [1 / lr for lr in runs["lr"]]}
    weakness = reason(fitted(falling).predict(B=128))
    assert (
        "5 of 5 groups have their best rate at the edge of the rates tried: try higher" in weakness
    )


def test_groups_that_follow_no_law_are_weak():
    assert "the groups deviate from the law by" in reason(
        fitted(table(log_std=1.5, rates=25)).predict(**MIDDLE)
    )


@pytest.mark.parametrize("diverged", [math.nan, math.inf, -math.inf, None])
def test_runs_that_did_not_finish_only_bound_the_best_rate_from_above(diverged):
    runs = table({"B": (32, 64, 128, 256, 512)})
    beyond = [lr > 1.3 * law({"B": b}) for lr, b in zip(runs["lr"], runs["B"], strict=True)]
    runs["loss"] = [
        diverged if is_beyond else loss
        for loss, is_beyond in zip(runs["loss"], beyond, strict=True)
    ]
    law_fit = fitted(runs)
    assert law_fit.edges == ()
    assert law_fit.predict(B=128).lr == pytest.approx(MIDDLE_LR, rel=0.3)


# What is refused


def test_a_table_without_three_finished_rates_in_a_group_is_refused():
    with pytest.raises(ArgumentError, match="no group of runs has three rates with a finite loss"):
        fitted(table({"B": (32, 64)}, rates=2))


REFUSED = {
    "a factor that varies left out": ({"N": 1e8}, r"B varies .* from 32 to 512; .* B=\.\.\."),
    "an unknown factor": (
        {"N": 1e8, "B": 64, "D": 1},
        "D is not a factor of this fit; it has N, B",
    ),
    "zero": ({"N": 0, "B": 64}, "N must be a finite number above 0; got 0"),
    "a negative": ({"N": 1e8, "B": -1}, "B must be a finite number above 0"),
    "another unit": ({"N": 1e300, "B": 64}, "more than a million times .* Is the unit the same"),
    "nan": ({"N": math.nan, "B": 64}, "N must be a finite number above 0; got nan"),
}


@pytest.mark.parametrize(("factors", "message"), REFUSED.values(), ids=REFUSED)
def test_factors_outside_their_rule_are_refused(factors, message):
    law_fit = fitted(table({"N": LEVELS["N"], "B": LEVELS["B"]}), resamples=0)
    with pytest.raises(ArgumentError, match=message):
        law_fit.predict(**factors)


def test_a_negative_number_of_resamples_is_refused():
    with pytest.raises(ArgumentError, match="resamples must be a whole number"):
        fit(table(), resamples=-1)


# Pictures


def test_the_picture_shows_every_group_the_law_and_the_prediction():
    law_fit = fitted(table({"N": LEVELS["N"], "B": LEVELS["B"]}), resamples=0)
    scaled = law_fit.predict(N=1e9, B=256)
    figure = law_fit.plot(scaled)
    assert [axes.get_xlabel() for axes in figure.axes] == ["N", "B"]
    for axes in figure.axes:
        lines = {line.get_label(): line for line in axes.get_lines()}
        moved = lines["best rates, moved to these factors"]
        assert len(moved.get_xdata()) == 12
        exact = [law({"N": 1e9, "B": 256} | {axes.get_xlabel(): x}) for x in moved.get_xdata()]
        assert moved.get_ydata() == pytest.approx(exact, rel=0.05)
    assert "1e9" in figure.get_suptitle()
    single = law_fit.plot_factor(scaled, "B")
    assert single.get_xlabel() == "B"
