"""A claim as a value: what is claimed, in which unit, and what decides."""

import math
from dataclasses import replace

import pytest

from learnrate import ArgumentError
from learnrate.claims import Figure, claim_named, claims


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
