import json
import math
from functools import partial

import pytest
import torch
from torch import nn

from learnrate import ArgumentError
from learnrate._errors import TaskError
from learnrate.probing import Direction, what_if

CURVATURES = torch.logspace(-2, 1, 8)


class Place(nn.Module):
    def __init__(self, start):
        super().__init__()
        self.place = nn.Parameter(torch.full((8,), start))


def loss_of(model, batch):
    return 0.5 * (CURVATURES * (model.place - batch).square()).sum()


def drawn(count, noise, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [noise * torch.randn(8, generator=generator) for _ in range(count)]


def trained(lr, noise, *, start=1.0, updates=0):
    model = Place(start)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for batch in drawn(updates, noise, seed=9):
        optimizer.zero_grad()
        loss_of(model, batch).backward()
        optimizer.step()
    return model, optimizer


def test_a_rate_far_too_low_is_to_be_raised():
    result = what_if(*trained(0.002, 0.1), loss_of, drawn(90, 0.1))
    assert result.verdict is Direction.RAISE
    assert result.constant[0] > result.constant[1] > result.constant[2]
    assert "Raise the rate (0.002)" in result.words


def test_a_rate_beyond_stability_is_to_be_lowered():
    result = what_if(*trained(0.205, 0.1), loss_of, drawn(90, 0.1))  # stable below 2 / 10
    assert result.verdict is Direction.LOWER
    assert math.isinf(result.constant[2]) or result.constant[2] > result.constant[1]


def test_a_cut_lowers_the_loss_at_once_and_is_not_a_reason_to_cut():
    """At the noise floor of a good rate, half of it is ahead at once, and not after an anneal."""
    model, optimizer = trained(0.05, 1.0, start=0.0, updates=1500)
    result = what_if(model, optimizer, loss_of, drawn(240, 1.0), steps=80)
    half = result.constant_gains[0]
    assert half.factor == 0.5
    assert half.mean < 0
    assert half.p < 0.05
    assert result.verdict in {Direction.KEEP, Direction.UNCLEAR}
    assert result.verdict is not Direction.LOWER


def test_factors_see_the_same_batches_and_the_same_dropout():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    ask = partial(
        what_if,
        model,
        optimizer,
        lambda m, b: m(b).square().mean(),
        drawn(12, 1.0),
        factors=(1.0, 1.0000001),
        steps=3,
    )
    result = ask()
    assert result.constant[0] == pytest.approx(result.constant[1], rel=1e-5)
    assert ask().constant == result.constant


def test_the_trial_is_the_training_it_says_it_is():
    """Twice the rate, at first constant and then annealed, written out."""
    batches, judge = drawn(4, 0.5), drawn(3, 0.5, seed=1)
    model, optimizer = trained(0.03, 0.1)
    result = what_if(model, optimizer, loss_of, batches, steps=4, anneal=3, judge=judge)
    place = torch.ones(8)
    for step, share in enumerate([1, 1, 1, 1, 0.75, 0.5, 0.25]):
        place = place - 0.06 * share * CURVATURES * (place - batches[step % 4])
        if step == 3:
            before_anneal = place
    for end, losses in ((before_anneal, result.constant), (place, result.annealed)):
        exact = sum(float(0.5 * (CURVATURES * (end - z) ** 2).sum()) for z in judge) / 3
        assert losses[2] == pytest.approx(exact, rel=1e-5)
    assert result.cost == pytest.approx(3 * 7 + 7 * 3 / 3)


def test_gains_are_a_paired_test_over_the_judging_batches():
    from scipy.stats import ttest_rel

    batches, judge = drawn(4, 0.5), drawn(6, 0.5, seed=1)
    model, optimizer = trained(0.03, 0.1)
    result = what_if(
        model, optimizer, loss_of, batches, factors=(0.5,), steps=2, anneal=1, judge=judge
    )
    ends = {}
    for factor in (0.5, 1.0):
        place = torch.ones(8)
        for batch in batches[:2]:
            place = place - 0.03 * factor * CURVATURES * (place - batch)
        ends[factor] = [float(0.5 * (CURVATURES * (place - z) ** 2).sum()) for z in judge]
    (gain,) = result.constant_gains
    assert gain.p == pytest.approx(ttest_rel(ends[0.5], ends[1.0]).pvalue, rel=1e-3)


def test_rates_of_groups_keep_their_ratio():
    model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 1))
    groups = [
        {"params": model[0].parameters(), "lr": 0.02},
        {"params": model[1].parameters(), "lr": 0.004},
    ]
    rates, optimizer = [], torch.optim.SGD(groups)
    plain = optimizer.step
    optimizer.step = lambda: (rates.append([g["lr"] for g in optimizer.param_groups]), plain())
    what_if(model, optimizer, lambda m, b: m(b).square().mean(), drawn(9, 1.0), steps=1, anneal=1)
    assert rates == [pytest.approx([0.02 * f, 0.004 * f]) for f in (0.5, 0.25, 1, 0.5, 2, 1)]


def test_a_verdict_becomes_a_finding_and_no_verdict_does_not():
    low = what_if(*trained(0.002, 0.1), loss_of, drawn(90, 0.1)).finding(7)
    assert (low.code, low.step, str(low.severity)) == ("LR203", 7, "advice")
    assert "0.004" in low.remedy
    high = what_if(*trained(0.205, 0.1), loss_of, drawn(90, 0.1)).finding(7)
    assert (high.code, str(high.severity)) == ("LR106", "warning")
    json.dumps(high.to_dict(), allow_nan=False)
    calm = what_if(*trained(0.05, 1.0, start=0.0, updates=300), loss_of, drawn(9, 1.0), steps=1)
    assert calm.verdict is Direction.UNCLEAR
    assert calm.finding(7) is None


def test_all_of_it_is_json():
    result = what_if(*trained(0.3, 0.1), loss_of, drawn(90, 0.1), factors=(0.5, 200.0), steps=40)
    read = json.loads(result.to_json())
    assert read["probe"] == "what_if"
    assert read["verdict"] == "lower"
    assert read["constant"][-1] is None  # it diverged
    assert read["words"] == str(result)
    assert read["confidence"] == 0.95
    assert read["constant_gains"][0].keys() == {"factor", "mean", "error", "p"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factors": (1.0,)}, "not 1 alone"),
        ({"factors": (-1.0,)}, "above 0"),
        ({"steps": 0}, "steps"),
        ({"anneal": 0}, "anneal"),
        ({"confidence": 1.5}, "confidence"),
        ({"judge": drawn(2, 1.0)}, "3 to judge"),
    ],
)
def test_a_value_outside_its_rule_is_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        what_if(*trained(0.1, 0.1), loss_of, drawn(9, 0.1), **options)


def test_what_cannot_be_probed_is_refused():
    model, optimizer = trained(0.1, 0.1)
    with pytest.raises(ArgumentError, match="at least 9"):
        what_if(model, optimizer, loss_of, drawn(8, 0.1))
    with pytest.raises(TaskError, match="already"):
        what_if(model, optimizer, lambda m, b: loss_of(m, b) * math.nan, drawn(9, 0.1))
    with pytest.raises(ArgumentError, match=r"torch\.optim\.Optimizer"):
        what_if(model, "adam", loss_of, drawn(9, 0.1))
    with pytest.raises(ArgumentError, match="rate above 0"):
        what_if(*trained(0.0, 0.1), loss_of, drawn(9, 0.1))
