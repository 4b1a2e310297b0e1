"""The arithmetic of a comparison: paired intervals, and what is said of them."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from learnrate import ArgumentError
from learnrate.comparing import ComparedMethod, ComparedRun, Comparison, Standing

LOSSES = st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=8).filter(
    lambda pairs: np.std([left - right for left, right in pairs]) > 1e-6
)


def contestant(name, losses, status="diverged", error=""):
    runs = [
        ComparedRun(
            seed=seed,
            updates=150,
            loss=loss,
            status="finished" if loss is not None else status,
            seconds=1.0,
            peak=0.01 if name == "planned rate" else None,
            error="" if loss is not None else error,
        )
        for seed, loss in enumerate(losses)
    ]
    return ComparedMethod(name, "SGD", "torch 2", "linear()", tuple(runs))


def comparison(planned, confidence=0.95, **others):
    return Comparison(
        task="t",
        total_steps=100,
        planned=contestant("planned rate", planned),
        others=tuple(contestant(name, losses) for name, losses in others.items()),
        left_out={},
        confidence=confidence,
        validated=True,
        version="0",
    )


@given(pairs=LOSSES)
def test_the_interval_of_one_optimizer_is_that_of_the_paired_t_test(pairs):
    other, planned = zip(*pairs, strict=True)
    (difference,) = comparison(planned, Other=other).differences
    interval = stats.ttest_rel(other, planned).confidence_interval(0.95)
    assert difference.low == pytest.approx(interval.low, rel=1e-6, abs=1e-9)
    assert difference.high == pytest.approx(interval.high, rel=1e-6, abs=1e-9)
    assert difference.values == tuple(left - right for left, right in pairs)


@given(pairs=LOSSES, shift=st.floats(-3, 3), scale=st.floats(0.1, 10))
def test_the_standing_is_the_same_for_a_loss_scaled_and_shifted(pairs, shift, scale):
    other, planned = (np.array(losses) for losses in zip(*pairs, strict=True))
    (first,) = comparison(planned.tolist(), Other=other.tolist()).differences
    if min(abs(first.low), abs(first.high)) < 1e-6:  # on the edge, rounding decides
        return
    moved = [(scale * losses + shift).tolist() for losses in (planned, other)]
    (second,) = comparison(moved[0], Other=moved[1]).differences
    assert second.standing is first.standing


def test_the_lower_one_is_named_only_if_the_interval_excludes_0():
    result = comparison(
        [1.0, 1.1, 0.9],
        Lower=[0.5, 0.61, 0.4],
        Higher=[1.5, 1.61, 1.4],
        Alike=[1.2, 1.0, 0.9],
    )
    assert [(d.name, d.standing) for d in result.differences] == [
        ("Lower", Standing.LOWER),
        ("Alike", Standing.UNDECIDED),
        ("Higher", Standing.HIGHER),
    ]
    assert "cannot be told apart" in result.differences[1].reason
    assert (
        "Lower ends lower than the planned rate: by 0.497, 49.7%" in result.differences[0].reason
    )


def test_all_intervals_hold_at_once_as_often_as_promised():
    random = np.random.default_rng(0)
    peers, seeds, repeats = 4, 5, 400
    false = 0
    for _ in range(repeats):
        level = random.normal(size=seeds)  # of each seed, shared by all
        planned = (level + random.normal(size=seeds)).tolist()
        others = {
            f"peer{number}": (level + random.normal(size=seeds)).tolist()
            for number in range(peers)
        }
        standings = [d.standing for d in comparison(planned, 0.9, **others).differences]
        false += any(standing is not Standing.UNDECIDED for standing in standings)
    allowed = 0.1 * repeats
    assert false <= allowed + 3 * math.sqrt(allowed * 0.9)
    assert false >= 10  # the intervals are not wide beyond need


def test_a_run_that_did_not_finish_leaves_no_difference_and_no_share_of_the_others():
    result = comparison([1.0, 1.2], Dead=[None, 0.9], Alive=[1.0, 1.25])
    alive, dead = result.differences
    assert (dead.standing, dead.mean, dead.values) == (Standing.UNFINISHED, None, ())
    assert dead.reason == ("1 of 2 runs of Dead diverged; no difference is computed.")
    alone = comparison([1.0, 1.2], Alive=[1.0, 1.25]).differences[0]
    assert (alive.low, alive.high) == (alone.low, alone.high)


def test_a_planned_rate_that_diverged_is_reported():
    (difference,) = comparison([None, 1.2], Other=[1.0, 0.9]).differences
    assert difference.standing is Standing.UNFINISHED
    assert "1 of 2 runs of planned rate diverged" in difference.reason


def test_the_share_is_left_out_where_a_loss_is_not_above_0():
    (difference,) = comparison([-1.0, -1.1], Other=[1.0, 1.1]).differences
    assert difference.share is None


def test_json_reads_back_equal():
    result = comparison([1.0, 1.2], Dead=[None, 0.9], Alive=[1.0, 1.25])
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert Comparison.from_dict(document) == result
    assert [entry["name"] for entry in document["differences"]] == ["Alive", "Dead"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "learnrate.plan"}, "must have the format"),
        ({"format_version": 9}, "has format version 9"),
        ({"planned": 3}, "planned"),
    ],
)
def test_another_document_is_refused(change, message):
    document = comparison([1.0, 1.2], Other=[1.0, 1.1]).to_dict()
    with pytest.raises(ArgumentError, match=message):
        Comparison.from_dict({**document, **change})


def test_a_note_says_that_training_losses_are_not_those_of_the_averaged_weights():
    result = comparison([1.0, 1.2], Other=[1.0, 1.1])
    assert not any("no validation" in sentence for sentence in result.advice)
    assert any("no validation" in line for line in replace(result, validated=False).advice)
    assert "each method makes 150 updates for each seed" in result.advice[0]
