"""Manual: a person's edits take effect when and as they say."""

import itertools

import pytest

from learnrate import ArgumentError
from learnrate.steer import Action, Edit, Manual, Observation, replay


def edit(step, action="scale", value=0.5, reason="flat", author="ann"):
    return Edit(step=step, action=action, value=value, author=author, reason=reason)


def run_with(*edits, steps=20, at=-1):
    run = [Observation(step=step) for step in range(-1, steps)]
    run[at + 1] = Observation(step=at, edits=edits)
    return run


def test_an_edit_holds_from_the_step_it_names():
    (change,) = replay(Manual(), run_with(edit(7)))
    assert (change.step, change.before, change.after) == (7, 1.0, 0.5)
    assert change.reason == "ann: scale 0.5 (flat)"


def test_an_edit_can_hold_from_the_very_first_step():
    assert [change.step for change in replay(Manual(), run_with(edit(0)))] == [0]


def test_the_order_of_handing_in_matters_within_a_step_alone():
    edits = [edit(3, value=0.5), edit(5, "set", 2.0), edit(9, value=0.25)]
    expected = replay(Manual(), run_with(*edits))
    assert [change.after for change in expected] == [0.5, 2.0, 0.5]
    for order in itertools.permutations(edits):
        assert replay(Manual(), run_with(*order)) == expected


def test_edits_of_one_step_take_effect_in_the_order_they_came():
    scale, reset = edit(4), edit(4, "set", 2.0, reason="start again", author="ben")
    (change,) = replay(Manual(), run_with(scale, reset))
    assert change.after == 2.0
    assert change.reason == "ann: scale 0.5 (flat); ben: set 2 (start again)"
    (change,) = replay(Manual(), run_with(reset, scale))
    assert change.after == 1.0


def test_a_hold_lasts_until_the_release(decisions):
    hold = edit(3, "hold", None)
    release = edit(6, "release", None)
    held = [decision.hold for decision in decisions(Manual(), run_with(release, hold, steps=8))]
    assert held == [False] * 3 + [True] * 3 + [False] * 3


def test_a_scale_while_held_leaves_the_hold(decisions):
    found = decisions(Manual(), run_with(edit(3, "hold", None), edit(4)))
    assert (found[-1].hold, found[-1].factor) == (True, 0.5)


def test_what_was_trained_stays_as_it_was():
    with pytest.raises(ArgumentError, match=r"at least 6, the next update; got 5.*write step=6"):
        replay(Manual(), run_with(edit(5), at=5))


def test_a_factor_beyond_all_numbers_is_refused():
    with pytest.raises(ArgumentError, match="leaves the range of numbers"):
        replay(Manual(), run_with(edit(1, value=1e300), edit(2, value=1e300)))


def test_an_edit_through_its_dictionary_is_the_same():
    for each in (edit(3), edit(3, "hold", None), edit(0, "set", 0)):
        assert Edit.from_dict(each.to_dict()) == each
    assert edit(3, "hold", None).action is Action.HOLD


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": -1}, r"Edit\(step=...\) must be a whole number of at least 0"),
        ({"action": "double"}, r"Edit\(action=...\) must be one of scale, set, hold, release"),
        ({"value": None}, r"Edit\(value=...\) must be a finite number of at least 0; got None"),
        ({"value": -0.5}, "It is a share of the schedule, not a rate."),
        ({"value": float("inf")}, "got inf"),
        ({"action": "hold"}, r"Edit\(value=...\) must be left out with action=hold; got 0.5"),
        ({"author": ""}, r"Edit\(author=...\) must be a text that is not empty"),
        ({"reason": "  "}, "Every change says who made it and why."),
    ],
)
def test_fields_outside_their_rules_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        Edit(
            **{"step": 3, "action": "scale", "value": 0.5, "author": "ann", "reason": "flat"}
            | options
        )


def test_a_dictionary_with_an_unknown_action_is_refused():
    with pytest.raises(ArgumentError, match=r"Edit\.action must be one of scale, set"):
        Edit.from_dict({**edit(3).to_dict(), "action": "double"})
