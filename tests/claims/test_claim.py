"""A claim as a value: what is claimed, in which unit, and what decides."""

import math
from dataclasses import replace

import pytest

from learnrate import ArgumentError
from learnrate.claims import Figure, claim_named, claims
from learnrate.claims import _measurement as convention

WORDS = {0.0, 1.0, convention.AS_GOOD, convention.GOOD, convention.MUCH, convention.ABOUT}
WORDS |= {1.0 / bound for bound in WORDS if bound}
WORDS |= {convention.AS_GOOD - 1.0, 2.0 - convention.AS_GOOD}  # none and all
WORDS |= {law + side * convention.EXPONENT for law in (-1.0, 0.5, 1.0) for side in (-1, 1)}
STATED = {  # numbers of the statement
    "momentum-multiplies-the-rate": (10.0 / convention.ABOUT, 10.0 * convention.ABOUT),
    "rates-lie-between-1e-6-and-10": (1e-6, 10.0),
    "adam-settles-at-38-over-lr": (0.95 * 38.0, 1.05 * 38.0),
    "sharpness-settles-at-2-over-lr": (0.95 * 2.0, 1.05 * 2.0),
}
EXACT = {"zero-learns-nothing", "weight-decay-is-l2-for-sgd"}  # up to rounding
TENTH = {"range-test-three-parts"}  # a part of a range test is at least a tenth of it


def test_a_range_is_given_in_words_and_in_the_unit_of_the_figure():
    assert Figure("a", "b", high=0.02, unit="%").claimed == "at most 2 %"
    assert Figure("a", "b", low=2.0, unit="x").claimed == "at least 2x"
    assert Figure("a", "b", low=-1.0, high=0.5).claimed == "-1 to 0.5"
    assert Figure("a", "b").claimed == ""


def test_a_figure_without_a_range_decides_nothing():
    assert not Figure("a", "b").decides
    assert Figure("a", "b", low=0.0).decides


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0)])
def test_an_empty_range_is_refused(low, high):
    with pytest.raises(ArgumentError, match="must be a range"):
        Figure("a", "b", low=low, high=high)


def test_a_claim_without_a_deciding_figure_or_an_interval_is_refused():
    known = claim_named("zero-learns-nothing")
    with pytest.raises(ArgumentError, match="no figure with a range"):
        replace(known, figures=(Figure("a", "b"),))
    with pytest.raises(ArgumentError, match="at least 2 seeds"):
        replace(known, seeds=(1, 10))
    with pytest.raises(ArgumentError, match="must be one of defaults, "):
        replace(known, topic="folklore")


def test_an_unknown_name_is_refused_with_the_closest_one():
    with pytest.raises(ArgumentError, match=r"Did you mean .*'zero-learns-nothing'"):
        claim_named("zero-learns-nothin")


def test_names_are_unique_and_listed_by_topic():
    names = [claim.name for claim in claims()]
    assert len(names) == len(set(names))
    topics = [claim.topic for claim in claims()]
    assert topics == sorted(topics, key=topics.index)


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.name)
def test_every_range_follows_from_the_words_of_the_statement(claim):
    """By the convention of docs/decisions/0009-claims.md; what else there is, is listed above."""
    allowed = {*WORDS, *STATED.get(claim.name, ())}
    allowed |= {-1e-6, 1e-6} if claim.name in EXACT else set()
    allowed |= {0.1} if claim.name in TENTH else set()
    bounds = [bound for figure in claim.figures for bound in (figure.low, figure.high)]
    for bound in filter(math.isfinite, bounds):
        assert any(math.isclose(bound, value) for value in allowed), (claim.name, bound)
