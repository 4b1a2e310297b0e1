"""The law fitted to a table of runs, and what it says of another run."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_law import AT_MIDDLE, EXPONENTS, LEVELS, MIDDLE, law, table

from learnrate import ArgumentError
from learnrate.scaling import Verdict, find_optima, fit, read_runs

BEYOND = {"N": 1e9, "D": 3e10, "B": 256}


def fitted(runs, **options):
    return fit(runs, progress=False, **options)


# What it finds


def test_without_noise_the_best_rate_of_each_group_is_exact():
    for one in find_optima(read_runs(table())):
        assert one.edge == ""
        assert one.lr == pytest.approx(law(one.factors), rel=1e-9)


def test_without_noise_the_law_is_recovered_beyond_the_table():
    scaled = fitted(table()).at(**BEYOND)
    assert scaled.lr == pytest.approx(law(BEYOND), rel=0.02)
    assert scaled.verdict == Verdict.OK
    for name, power in scaled.exponents.items():
        assert power.value == pytest.approx(EXPONENTS[name], abs=0.02)


def test_known_rates_and_exponents_lie_in_their_intervals_about_as_often_as_stated():
    held = {"lr": [], **{name: [] for name in EXPONENTS}}
    for seed in range(25):
        one = fitted(table(noise=0.001, scatter=0.2, seed=seed), resamples=60)
        scaled = one.at(**MIDDLE)
        # the interval is of one more group, which scatters too
        there = law(MIDDLE) * np.exp(0.2 * np.random.default_rng(seed + 999).standard_normal())
        held["lr"].append(scaled.low <= there <= scaled.high)
        for name, power in scaled.exponents.items():
            held[name].append(power.low <= EXPONENTS[name] <= power.high)
    for shares in held.values():
        assert 0.6 <= np.mean(shares) <= 1.0
    assert 0.7 <= np.mean(list(held.values())) <= 0.95


def test_an_exponent_that_changes_with_the_batch_is_found():
    bent = fitted(table(bend=0.15, noise=0.0005, scatter=0.05))
    small, large = (bent.at(**MIDDLE | {"B": batch}).exponents["D"].value for batch in (32, 512))
    for found, batch in ((small, 32), (large, 512)):
        assert found == pytest.approx(-0.2 + 0.15 * math.log(batch / 128), abs=0.06)


def test_beyond_the_table_the_law_goes_on_with_the_exponents_of_its_edge():
    bent = fitted(table(bend=0.15))
    edge, far, farther = (bent.at(**MIDDLE | {"D": 1.6e10 * k}) for k in (1, 3, 9))
    assert edge.exponents["D"].value == far.exponents["D"].value
    assert far.lr / edge.lr == pytest.approx(farther.lr / far.lr, rel=1e-9)


def test_where_nothing_bends_no_term_is_taken():
    assert fitted(table(scatter=0.05, seed=3)).law.terms == ()


def test_it_agrees_with_least_squares_where_nothing_bends():
    one = fitted(table(scatter=0.05, seed=3))
    rows = np.array([[1.0, *np.log(list(o.factors.values()))] for o in one.optima])
    solved, *_ = np.linalg.lstsq(rows, np.log([o.lr for o in one.optima]), rcond=None)
    expected = np.exp(solved @ [1.0, *np.log(list(BEYOND.values()))])
    assert one.at(**BEYOND).lr == pytest.approx(expected, rel=0.03)


def test_a_group_far_off_the_law_hardly_moves_it():
    runs = table(scatter=0.05)
    wild = [lr * (8 if at < 9 else 1) for at, lr in enumerate(runs["lr"])]
    before, after = (fitted(one).at(**MIDDLE).lr for one in (runs, runs | {"lr": wild}))
    assert after == pytest.approx(before, rel=0.02)


def test_one_spoilt_run_hardly_moves_the_best_rate_of_its_group():
    runs = table({"B": (32, 64, 128, 256, 512)}, noise=0.0002, rates=11)
    runs["loss"][4] += 0.05
    spoilt = find_optima(read_runs(runs))[0]
    assert spoilt.lr == pytest.approx(law({"B": 32}), rel=0.15)


def test_seeds_of_one_rate_are_averaged():
    runs = table({"B": (32, 64, 128, 256)})
    twice = {name: values * 2 for name, values in runs.items()}
    shift = np.repeat([0.01, -0.01], len(runs["loss"]))
    twice["loss"] = list(np.array(twice["loss"]) + shift)
    assert fitted(twice).at(B=128).lr == pytest.approx(fitted(runs).at(B=128).lr, rel=1e-6)


@settings(max_examples=20)
@given(factor=st.floats(1e-3, 1e3), unit=st.floats(1e-6, 1e6), share=st.floats(0.1, 10.0))
def test_units_of_rates_factors_and_losses_do_not_matter(factor, unit, share):
    runs = table({"N": LEVELS["N"], "B": LEVELS["B"]}, noise=0.0005, scatter=0.1)
    there = {
        "lr": [lr * factor for lr in runs["lr"]],
        "loss": [loss * share for loss in runs["loss"]],
        "N": [size * unit for size in runs["N"]],
        "B": runs["B"],
    }
    one = fitted(runs, resamples=0).at(N=1e9, B=64)
    other = fitted(there, resamples=0).at(N=1e9 * unit, B=64)
    assert other.lr == pytest.approx(one.lr * factor, rel=1e-6)
    assert other.high / other.low == pytest.approx(one.high / one.low, rel=1e-6)


def test_farther_from_the_table_the_interval_is_wider():
    one = fitted(table(noise=0.001, scatter=0.1))
    widths = [
        scaled.high / scaled.low
        for scaled in (one.at(**MIDDLE | {"N": n}) for n in (3e8, 1e9, 1e10))
    ]
    assert widths == sorted(widths)
    assert widths[2] > 1.2 * widths[0]


# What the table does not support


def reason(scaled):
    assert scaled.verdict == Verdict.WEAK
    assert scaled.low < scaled.lr < scaled.high
    return scaled.reason


def test_one_group_answers_for_itself_alone():
    own = {"N": 1e8, "D": 4e9, "B": 128}
    one = fitted(table({name: (value,) for name, value in own.items()}))
    here, there = one.at(**own), one.at(**own | {"N": 1e9})
    assert here.lr == pytest.approx(law(own), rel=1e-3)
    assert (here.verdict, here.exponents) == (Verdict.OK, dict.fromkeys(own))
    assert "N is always 1e+08 in the table, and 1e+09 is asked" in reason(there)
    assert there.high / there.low > 2 * here.high / here.low


def test_a_factor_that_never_varies_is_not_scaled_with():
    one = fitted(table({"N": LEVELS["N"], "B": (128,)}))
    assert one.at(N=1e9).verdict == Verdict.OK
    assert one.at(N=1e9).exponents["B"] is None
    assert "B is always 128 in the table, and 1024 is asked" in reason(one.at(N=1e9, B=1024))


def test_too_few_groups_are_weak():
    scaled = fitted(table({"N": (1e8, 3e8)})).at(N=1e9)
    assert "2 groups enclose their best rate; 1 exponent need" in reason(scaled)


def test_far_beyond_the_table_is_weak():
    assert "N=1e+11 is 3.3e+02 times beyond" in reason(fitted(table()).at(**BEYOND | {"N": 1e11}))


def test_factors_that_move_together_are_weak_off_their_line():
    runs = table({"N": (1e7, 3e7, 1e8, 3e8, 1e9)})
    runs["D"] = [20 * size for size in runs["N"]]
    one = fitted(runs)
    assert one.at(N=3e8, D=6e9).verdict == Verdict.OK
    assert "N and D move together in the table" in reason(one.at(N=3e8, D=1e11))


def test_groups_whose_best_rate_is_at_the_edge_are_left_out():
    runs = table({"B": (32, 64, 128, 256, 512)})
    kept = [
        not (batch == 512 and lr > 0.9 * law({"B": 512}))
        for lr, batch in zip(runs["lr"], runs["B"], strict=True)
    ]
    cut = {
        name: [v for v, keep in zip(values, kept, strict=True) if keep]
        for name, values in runs.items()
    }
    one = fitted(cut)
    assert [(edge.factors["B"], edge.edge) for edge in one.edges] == [(512, "highest")]
    assert one.at(B=512).lr == pytest.approx(law({"B": 512}), rel=0.05)


def test_where_every_best_rate_is_at_the_edge_the_answer_is_weak_and_says_where_to_look():
    runs = table({"B": (32, 64, 128, 256, 512)})
    falling = runs | {"loss": [1 / lr for lr in runs["lr"]]}
    said = reason(fitted(falling).at(B=128))
    assert "5 of 5 groups have their best rate at the edge of the rates tried: try higher" in said


def test_groups_that_follow_no_law_are_weak():
    assert "scatter" in reason(fitted(table(scatter=1.5, rates=25)).at(**MIDDLE))


@pytest.mark.parametrize("diverged", [math.nan, math.inf, -math.inf, None])
def test_runs_that_did_not_finish_only_bound_the_best_rate_from_above(diverged):
    runs = table({"B": (32, 64, 128, 256, 512)})
    beyond = [lr > 1.3 * law({"B": b}) for lr, b in zip(runs["lr"], runs["B"], strict=True)]
    runs["loss"] = [
        diverged if off else loss for loss, off in zip(runs["loss"], beyond, strict=True)
    ]
    one = fitted(runs)
    assert one.edges == ()
    assert one.at(B=128).lr == pytest.approx(AT_MIDDLE, rel=0.3)


# What is refused


def test_a_table_without_three_finished_rates_in_a_group_is_refused():
    with pytest.raises(ArgumentError, match="no group of runs has three rates with a finite loss"):
        fitted(table({"B": (32, 64)}, rates=2))


ASKED = {
    "nothing of a factor that varies": ({"N": 1e8}, r"B varies .* from 32 to 512; .* B=\.\.\."),
    "an unknown factor": ({"N": 1e8, "B": 64, "D": 1}, "D is no factor of this fit; it has N, B"),
    "zero": ({"N": 0, "B": 64}, "N must be a finite number above 0; got 0"),
    "a negative": ({"N": 1e8, "B": -1}, "B must be a finite number above 0"),
    "another unit": ({"N": 1e300, "B": 64}, "over a million times .* Is the unit the same"),
    "nan": ({"N": math.nan, "B": 64}, "N must be a finite number above 0; got nan"),
}


@pytest.mark.parametrize(("asked", "message"), ASKED.values(), ids=ASKED)
def test_a_question_outside_its_rule_is_refused(asked, message):
    one = fitted(table({"N": LEVELS["N"], "B": LEVELS["B"]}), resamples=0)
    with pytest.raises(ArgumentError, match=message):
        one.at(**asked)


def test_fewer_than_no_resamples_are_refused():
    with pytest.raises(ArgumentError, match="resamples must be a whole number"):
        fit(table(), resamples=-1)


# Drawn


def test_the_picture_shows_every_group_the_law_and_the_question():
    one = fitted(table({"N": LEVELS["N"], "B": LEVELS["B"]}), resamples=0)
    scaled = one.at(N=1e9, B=256)
    figure = one.figure(scaled)
    assert [axes.get_xlabel() for axes in figure.axes] == ["N", "B"]
    for axes in figure.axes:
        lines = {line.get_label(): line for line in axes.get_lines()}
        moved = lines["best rates, moved to them"]
        assert len(moved.get_xdata()) == 12
        exact = [law({"N": 1e9, "B": 256} | {axes.get_xlabel(): x}) for x in moved.get_xdata()]
        assert moved.get_ydata() == pytest.approx(exact, rel=0.05)
    assert "1e9" in figure.get_suptitle()
    single = one.plot(scaled, "B")
    assert single.get_xlabel() == "B"
