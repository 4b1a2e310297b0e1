"""Which trial comes next: within the budget, towards the lowest loss, the same every time."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from learnrate.planning._ladder import LadderTrial, ladder_for, next_index
from learnrate.planning._result import RungTrial


def climb(budget, total_steps, start, log_loss, cost=lambda proposal: proposal.steps):
    """Climb a ladder on invented log losses; returns it with its trials."""
    ladder = ladder_for(total_steps, budget, start)
    trials = []
    while (proposal := ladder.next(trials)) is not None:
        trial = RungTrial(math.exp(proposal.log_lr), 0, 1.0, "finished", cost(proposal))
        trials.append(LadderTrial(proposal, log_loss(proposal), trial))
        assert len(trials) < 100
    return ladder, trials


def bowl(best):
    return lambda proposal: (proposal.log_lr - best) ** 2 / 10


@settings(max_examples=12)
@given(
    budget=st.integers(20, 5000),
    share=st.floats(0.05, 1.0),
    off=st.floats(-4, 4),
    saved=st.floats(0.05, 1.0),
)
def test_the_budget_is_kept_whatever_the_trials_say(budget, share, off, saved):
    _, trials = climb(
        budget, round(budget / share), off, bowl(0.0), lambda p: max(1, int(saved * p.steps))
    )
    assert sum(trial.record.updates for trial in trials) <= budget


def test_a_start_far_off_is_walked_to_the_lowest_loss():
    for off in (-2.0, -1.0, 0.0, 1.0):
        _, trials = climb(1000, 2000, off, bowl(0.0))
        best = min(trials, key=lambda trial: trial.log_loss)
        assert abs(best.proposal.log_lr) < 0.8


def test_a_rung_whose_best_has_worse_ones_on_both_sides_is_bracketed():
    ladder, trials = climb(1000, 2000, 0.0, bowl(0.0))
    assert ladder.bracketed(0, trials)
    assert not ladder.bracketed(1, trials)  # two trials have no middle


def test_every_rung_is_tried_from_short_to_long():
    ladder, trials = climb(1000, 2000, 0.5, bowl(0.0))
    assert ladder.horizons == (35, 447)
    tried = [trial.proposal.rung for trial in trials]
    assert tried == [0, 0, 0, 1, 1]


def test_what_is_left_of_the_budget_is_spent_where_it_pays_for_a_trial():
    ladder, trials = climb(1000, 2000, 0.5, bowl(0.0))
    spent = sum(trial.record.updates for trial in trials)
    assert 1000 - spent < ladder.horizons[0]


def test_no_rate_is_tried_twice_on_a_rung():
    _, trials = climb(1000, 2000, 0.5, bowl(0.0))
    tried = [(trial.proposal.rung, round(trial.proposal.log_lr, 6)) for trial in trials]
    assert len(tried) == len(set(tried))


def test_a_longer_rung_is_centred_where_the_shorter_ones_point():
    _, trials = climb(1000, 2000, 2.0, bowl(0.0))
    last = [trial.proposal.log_lr for trial in trials if trial.proposal.rung == 1]
    assert abs(sum(last) / len(last)) < 1.0  # of 2.0, before anything is measured


def test_where_longer_trials_end_hardly_lower_a_lower_rate_is_tried():
    def plateau(p):
        return 1.0 - 0.2 * math.log(p.steps) if p.log_lr < -3.0 else 0.9 + 0.01 * p.log_lr**2

    _, trials = climb(1000, 2000, 0.0, plateau)
    rates = [trial.proposal.log_lr for trial in trials if trial.proposal.rung == 1]
    assert len(rates) == 2
    assert rates[1] < rates[0]


def test_where_longer_trials_end_lower_the_best_rate_is_straddled():
    _, trials = climb(1000, 2000, 0.0, lambda p: bowl(0.0)(p) - 0.2 * math.log(p.steps))
    rates = [trial.proposal.log_lr for trial in trials if trial.proposal.rung == 1]
    assert rates[0] < 0.0 < rates[1]


def test_the_same_measurements_give_the_same_next_trial():
    ladder, trials = climb(1000, 2000, 1.0, bowl(0.0))
    for n in range(len(trials)):
        assert ladder.next(trials[:n]) == trials[n].proposal


def test_a_budget_too_small_for_two_rungs_has_one():
    assert [len(ladder_for(1000, budget, 0.0).horizons) for budget in (500, 70, 45)] == [2, 2, 1]
    assert ladder_for(1000, 20, 0.0).horizons == (10,)


def test_from_a_rate_that_diverges_the_search_goes_down():
    _, trials = climb(
        1000, 2000, 3.0, lambda p: math.inf if p.log_lr > 0 else -p.log_lr, lambda p: 5
    )
    assert any(math.isfinite(trial.log_loss) for trial in trials)


@given(best=st.integers(-4, 4))
def test_the_search_on_a_grid_ends_with_both_sides_of_the_best_known(best):
    losses = {}
    while (index := next_index(losses)) is not None:
        losses[index] = float((index - best) ** 2)
    assert {best - 1, best, best + 1} <= set(losses)


def test_an_extension_is_two_longer_trials_where_the_horizon_is_what_is_not_known():
    ladder, trials = climb(1000, 20_000, 0.0, bowl(0.0))
    longer = ladder.extended(trials)
    assert longer.horizons == (*ladder.horizons, 2 * ladder.horizons[-1])
    first = longer.next(trials)
    assert (first.rung, first.steps) == (2, 2 * ladder.horizons[-1])
    assert longer.budget == sum(trial.record.updates for trial in trials) + 2 * first.steps


def test_an_extension_is_two_more_trials_of_the_same_length_where_they_nearly_are_the_run():
    ladder, trials = climb(1000, 700, 0.0, bowl(0.0))
    assert ladder.extended(trials).horizons == ladder.horizons
    assert ladder.extended(trials).next(trials).steps == ladder.horizons[-1]


def test_what_was_measured_before_an_extension_is_not_proposed_again():
    ladder, trials = climb(1000, 20_000, 0.5, bowl(0.0))
    longer = ladder.extended(trials)
    for n in range(len(trials)):
        assert ladder.next(trials[:n]) == trials[n].proposal
    tried = {(trial.proposal.steps, trial.proposal.log_lr) for trial in trials}
    proposal = longer.next(trials)
    assert (proposal.steps, proposal.log_lr) not in tried
