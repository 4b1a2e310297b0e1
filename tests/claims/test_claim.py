"""A claim as a value: what is claimed, in which unit, and what decides."""

import math
from dataclasses import replace

import pytest

from learnrate import ArgumentError
from learnrate.claims import Figure, claim_named, claims


def test_a_range_is_said_in_words_and_in_the_figures_unit():
    assert Figure(name="a", says="b", high=0.02, unit="%").claimed == "at most 2 %"
    assert Figure(name="a", says="b", low=2.0, unit="x").claimed == "at least 2x"
    assert Figure(name="a", says="b", low=-1.0, high=0.5).claimed == "-1 to 0.5"
    assert Figure(name="a", says="b").claimed == ""


def test_a_figure_without_a_range_decides_nothing():
    assert not Figure(name="a", says="b").decides
    assert Figure(name="a", says="b", low=0.0).decides


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0)])
def test_a_range_that_holds_nothing_is_refused(low, high):
    with pytest.raises(ArgumentError, match="must be a range"):
        Figure(name="a", says="b", low=low, high=high)


def test_a_claim_that_nothing_decides_or_without_an_interval_is_refused():
    known = claim_named("zero-learns-nothing")
    with pytest.raises(ArgumentError, match="no figure with a range"):
        replace(known, figures=(Figure(name="a", says="b"),))
    with pytest.raises(ArgumentError, match="at least 2 seeds"):
        replace(known, seeds=1)
    with pytest.raises(ArgumentError, match="must be one of defaults, "):
        replace(known, topic="folklore")


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ArgumentError, match=r"Did you mean .*'zero-learns-nothing'"):
        claim_named("zero-learns-nothin")


def test_names_are_told_once_and_listed_by_topic():
    names = [claim.name for claim in claims()]
    assert len(names) == len(set(names))
    topics = [claim.topic for claim in claims()]
    assert topics == sorted(topics, key=topics.index)
