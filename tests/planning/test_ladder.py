"""Which trial comes next: until the best rate is bracketed, within the budget, always the same."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnrate.planning._budget import Pace
from learnrate.planning._ladder import Ladder
from learnrate.planning._result import RungTrial
from learnrate.planning._rung_losses import LadderTrial


def climb(ladder, log_loss, cost=lambda proposal: proposal.steps, trials=()):
    """Climb a ladder on invented log losses; returns all trials."""
    trials = list(trials)
    while (proposal := ladder.next(trials)) is not None:
        loss = log_loss(proposal)
        status = "finished" if math.isfinite(loss) else "diverged"
        record = RungTrial(
            lr=math.exp(proposal.log_lr),
            seed=proposal.repeat,
            loss=math.exp(loss) if math.isfinite(loss) else None,
            status=status,
            updates=min(proposal.steps, cost(proposal)),
            reason=proposal.reason,
        )
        trials.append(
            LadderTrial(
                rung=proposal.rung,
                steps=proposal.steps,
                log_lr=proposal.log_lr,
                repeat=proposal.repeat,
                log_loss=loss,
                cost=cost(proposal),
                record=record,
            )
        )
        assert len(trials) < 100
    return trials


def ladder_of(budget, total_steps, start_log_lr=0.0, **options):
    return Ladder(budget, total_steps, start_log_lr, 2.0, **options)


def bowl(best, cliff=math.inf):
    """A parabola around the best log rate that learns with the length; divergence above a rate."""

    def log_loss(proposal):
        if proposal.log_lr > cliff:
            return math.inf
        return (proposal.log_lr - best) ** 2 / 10 - 0.3 * math.log(proposal.steps)

    return log_loss


def by_rung(trials, rung):
    return [trial for trial in trials if trial.rung == rung]


@settings(max_examples=12)
@given(
    budget=st.integers(20, 5000),
    share=st.floats(0.05, 1.0),
    off=st.floats(-4, 4),
    saved=st.floats(0.05, 1.0),
)
def test_the_budget_is_kept_whatever_the_trials_say(budget, share, off, saved):
    ladder = ladder_of(budget, round(budget / share), off)
    trials = climb(ladder, bowl(0.0), lambda p: max(1, int(saved * p.steps)))
    assert ladder.spent(trials) <= budget


@pytest.mark.parametrize("off", [-3.0, -1.5, 0.0, 1.5, 3.0])
def test_the_best_rate_of_each_length_is_bracketed_from_wherever_the_search_begins(off):
    ladder = ladder_of(1000, 2000, off)
    trials = climb(ladder, bowl(0.0))
    assert ladder.bracketed(0, trials)
    assert ladder.bracketed(1, trials)


def test_a_best_rate_at_the_edge_of_divergence_is_bracketed_by_it():
    cliff = 2.0  # the loss falls up to the cliff, three half decades above the first guess
    ladder = ladder_of(1000, 2000, -1.5)
    trials = climb(ladder, lambda p: math.inf if p.log_lr > cliff else -p.log_lr)
    for rung in (0, 1):
        finished = [t.log_lr for t in by_rung(trials, rung) if math.isfinite(t.log_loss)]
        diverged = [t.log_lr for t in by_rung(trials, rung) if math.isinf(t.log_loss)]
        assert ladder.bracketed(rung, trials)
        assert max(finished) <= cliff < min(diverged)
        assert min(diverged) - max(finished) < math.log(10) / 2 + 1e-9


def test_trials_get_longer_and_the_longest_are_as_long_as_the_budget_pays_for():
    trials = climb(ladder_of(1000, 2000, 0.5), bowl(0.0))
    assert [trial.rung for trial in trials] == sorted(trial.rung for trial in trials)
    short, long = by_rung(trials, 0), by_rung(trials, 1)
    assert {trial.steps for trial in short} == {40}
    (steps,) = {trial.steps for trial in long}
    assert steps == (1000 - sum(trial.cost for trial in short)) // 4


def test_no_rate_is_tried_twice_with_the_same_seed():
    trials = climb(ladder_of(20_000, 500, 0.5), bowl(0.0))
    tried = [(trial.steps, trial.log_lr, trial.repeat) for trial in trials]
    assert len(tried) == len(set(tried))


def test_a_longer_rung_is_centred_where_the_shorter_ones_point():
    long = by_rung(climb(ladder_of(1000, 2000, 2.0), bowl(0.0)), 1)[:2]
    assert abs(sum(trial.log_lr for trial in long) / 2) < 1.0  # of 2.0, before any trial


def test_the_same_measurements_give_the_same_next_trial():
    ladder = ladder_of(1000, 2000, 1.0)
    trials = climb(ladder, bowl(0.0))
    for count, trial in enumerate(trials):
        proposal = ladder.next(trials[:count])
        assert (proposal.steps, proposal.log_lr) == (trial.steps, trial.log_lr)


def test_every_trial_says_why_it_was_asked_for():
    trials = climb(ladder_of(20_000, 500, -2.0), bowl(0.0))
    reasons = {trial.record.reason for trial in trials}
    assert "the highest rate tried was the best" in reasons
    assert all(reasons)


def test_a_budget_too_small_for_two_rungs_has_one():
    assert {trial.steps for trial in climb(ladder_of(60, 1000), bowl(0.0))} == {20}


def test_from_a_rate_that_diverges_the_search_goes_down():
    trials = climb(ladder_of(1000, 2000, 3.0), bowl(-2.0, cliff=0.0), lambda p: 5)
    assert any(math.isfinite(trial.log_loss) for trial in trials)


def test_a_budget_of_many_runs_buys_whole_runs_with_several_seeds_near_the_best_rate():
    noisy = bowl(0.0)

    def log_loss(proposal):
        return noisy(proposal) + 0.3 * math.sin(37 * proposal.log_lr + 11 * proposal.repeat)

    ladder = ladder_of(40 * 200, 200, 1.5)
    whole = by_rung(climb(ladder, log_loss), 1)
    assert {trial.steps for trial in whole} == {200}
    assert ladder.bracketed(1, whole)
    best = min((t for t in whole if t.repeat == 0), key=lambda trial: trial.log_loss).log_lr
    rates = sorted({trial.log_lr for trial in whole})
    place = rates.index(best)
    assert rates[place + 1] - rates[place - 1] < 0.55 * math.log(10)  # a quarter decade each
    assert {trial.repeat for trial in whole if trial.log_lr == best} == {0, 1, 2, 3, 4}


def test_a_rate_next_to_the_cliff_gets_a_second_seed_which_may_diverge():
    def log_loss(proposal):
        cliff = 1.2 - 0.8 * proposal.repeat
        return -proposal.log_lr if proposal.log_lr < cliff else math.inf

    ladder = ladder_of(9 * 200, 200, 0.0)
    trials = climb(ladder, log_loss)
    whole = by_rung(trials, 1)
    assert sum(trial.repeat == 1 for trial in whole) >= 2
    cliff = min(trial.log_lr for trial in whole if trial.repeat and math.isinf(trial.log_loss))
    assert ladder.whole_runs(trials).log_best[1] < cliff


def test_whole_runs_without_noise_need_few_seeds():
    whole = by_rung(climb(ladder_of(40 * 200, 200, 1.5), bowl(0.0)), 1)
    assert 1 <= max(trial.repeat for trial in whole) <= 2


def test_whole_runs_climb_out_of_a_dip_within_the_noise():
    def log_loss(proposal):
        dent = -0.004 if abs(proposal.log_lr) < 0.6 else 0.0
        return dent + (proposal.log_lr - 4.0) ** 2 / 800 - 0.3 * math.log(proposal.steps)

    whole = by_rung(climb(ladder_of(40 * 200, 200, 0.0), log_loss), 1)
    best = min(whole, key=lambda trial: trial.log_loss)
    assert best.log_lr == pytest.approx(4.0, abs=1.2)


def test_whole_runs_that_the_budget_still_pays_for_look_for_a_second_dip():
    def log_loss(proposal):
        first = (proposal.log_lr / 2) ** 2
        second = ((proposal.log_lr - 6.0) / 1.5) ** 2 - 0.2
        return min(first, second, 0.6) - 0.3 * math.log(proposal.steps)

    whole = by_rung(climb(ladder_of(40 * 200, 200, 0.0), log_loss), 1)
    best = min(whole, key=lambda trial: trial.log_loss)
    assert best.log_lr == pytest.approx(6.0, abs=0.4)


@pytest.mark.parametrize(
    ("budget", "total_steps", "count"),
    [(80, 200, 5), (60, 200, 4), (80, 1000, 3)],  # too few updates for short trials
)
def test_more_long_trials_are_made_if_each_still_has_a_sixteenth_of_the_run(
    budget, total_steps, count
):
    first = ladder_of(budget, total_steps).next([])
    assert first.steps == budget // count
    assert count == 3 or 16 * first.steps >= total_steps


def test_a_short_trial_that_ends_hardly_higher_encloses_nothing():
    def flat_then_falling(proposal):  # nothing is learned below a rate, and much above it
        fall = 0.2 * max(0.0, proposal.log_lr - 2.0) + 0.001 * math.cos(9 * proposal.log_lr)
        return math.inf if proposal.log_lr > 5.0 else 1.9 - fall

    short = by_rung(climb(ladder_of(1000, 2000, 0.0), flat_then_falling), 0)
    assert max(trial.log_lr for trial in short) > 5.0  # divergence is what encloses it
    assert min(short, key=lambda trial: trial.log_loss).log_lr > 3.5


def test_the_gap_up_to_divergence_is_halved_first_where_the_loss_still_falls():
    trials = climb(ladder_of(1000, 2000, 1.0), lambda p: math.inf if p.log_lr > 2.2 else -p.log_lr)
    long = by_rung(trials, 1)
    finished = max(trial.log_lr for trial in long if math.isfinite(trial.log_loss))
    assert 2.2 - finished < 0.6


def test_a_time_counts_what_trials_took_with_their_validation():
    pace = Pace(update=0.01, validation=0.5)
    ladder = ladder_of(4000, 2000, 0.0, pace=pace)
    assert ladder.cost(100, 1.5) == 150
    slow = climb(ladder, bowl(0.0), lambda p: ladder.cost(p.steps, 3 * (0.01 * p.steps + 0.5)))
    quick = climb(ladder, bowl(0.0), lambda p: ladder.cost(p.steps, 0.01 * p.steps + 0.5))
    assert ladder.spent(slow) <= 4000
    assert max(t.steps for t in slow) < max(t.steps for t in quick)


def test_an_extension_is_two_longer_trials_if_the_drift_is_uncertain():
    ladder = ladder_of(1000, 20_000)
    trials = climb(ladder, bowl(0.0))
    longest = max(trial.steps for trial in trials)
    longer = ladder.extended(trials)
    assert longer.extension == (2, 2 * longest)
    first = longer.next(trials)
    assert (first.rung, first.steps) == (2, 2 * longest)
    assert longer.budget == ladder.spent(trials) + 2 * first.steps


def test_an_extension_climbs_on_where_the_best_rate_is_not_bracketed():
    ladder = ladder_of(1000, 20_000)
    trials = climb(ladder, lambda p: -p.log_lr - 0.3 * math.log(p.steps))
    assert not ladder.bracketed(1, trials)
    further = ladder.extended(trials).next(trials)
    assert further.steps == max(trial.steps for trial in trials)
    assert further.log_lr > max(trial.log_lr for trial in by_rung(trials, 1))


@given(best=st.integers(-3, 3))
def test_the_search_ends_with_both_sides_of_the_best_known(best):
    spacing = math.log(10) / 2
    trials = climb(
        ladder_of(100_000, 100_000), lambda p: (p.log_lr / spacing - best) ** 2 - p.steps / 1e4
    )
    short = {trial.log_lr: trial.log_loss for trial in by_rung(trials, 0)}
    rates = sorted(short)
    assert rates[0] < min(short, key=short.get) < rates[-1]


@pytest.mark.parametrize(("usual", "middle"), [(math.nan, 1.0), (-5.0, -2.0)])
def test_the_first_two_trials_straddle_the_mean_of_the_range_test_and_the_usual_rate(
    usual, middle
):
    ladder = ladder_of(400, 400, 1.0, usual_log_lr=usual)
    first, second = climb(ladder, bowl(middle))[:2]
    assert (first.log_lr + second.log_lr) / 2 == pytest.approx(middle)
    assert first.log_lr < middle < second.log_lr
