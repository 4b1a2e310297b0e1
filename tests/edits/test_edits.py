"""Edits as data: their text, the schedules that they lead to, and limits."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from learnrate import ArgumentError, schedule
from learnrate.edits import Edit, Edited, EditKind, Limits, edit_in, edited
from learnrate.schedules import from_json

BASES = {
    "stable": schedule("0.1 * warmup(10) >> constant(50) >> linear(40)"),
    "cosine": schedule("3e-4 * warmup(10) >> cosine(90, floor=0.1)"),
    "product": schedule("0.3 * constant(100) * step(every=30, factor=0.5)"),
    "unscaled": schedule("warmup(10) >> linear(90)"),
    "ascending": schedule("3e-4 * warmup(10) >> linear(90)").ascending(),
}
every_base = pytest.mark.parametrize("base", BASES.values(), ids=BASES.keys())


def edit_at(step, words, **options):
    return edit_in(words, author="ann", **options).at_step(step)


@every_base
def test_a_scale_applies_from_its_step_to_the_end(base):
    result = edited(base, [edit_at(40, "scale 0.5"), edit_at(60, "scale 0.2")])
    factor = np.repeat([1.0, 0.5, 0.1], [40, 20, 40])
    np.testing.assert_allclose(result.table(), base.table() * factor, rtol=1e-15)
    assert result.table()[:40].tolist() == base.table()[:40].tolist()


@every_base
def test_a_set_gives_the_rate_never_exceeds_it_and_keeps_the_shape(base):
    result = edited(base, [edit_at(40, "set 0.0123")])
    assert 0.0123 * (1 - 1e-15) <= abs(result(40)) <= 0.0123
    expected = base.table()[40:] / abs(base(40)) * 0.0123
    np.testing.assert_allclose(result.table()[40:], expected, rtol=1e-12)


@every_base
def test_a_hold_keeps_the_rate_and_a_release_goes_back_to_the_schedule(base):
    result = edited(base, [edit_at(35, "hold"), edit_at(70, "release")])
    expected = base.table()
    expected[35:70] = base(35)
    np.testing.assert_allclose(result.table(), expected, rtol=1e-15)
    assert result.total_steps == base.total_steps


@every_base
def test_a_scale_while_held_changes_the_held_rate_and_the_rates_after_the_release(base):
    result = edited(base, [edit_at(30, "hold"), edit_at(40, "scale 0.5"), edit_at(60, "release")])
    expected = base.table()
    expected[30:40], expected[40:60] = base(30), 0.5 * base(30)
    expected[60:] *= 0.5
    np.testing.assert_allclose(result.table(), expected, rtol=1e-14)


@every_base
@pytest.mark.parametrize("shape", ["linear", "cosine", "one_minus_sqrt"])
def test_a_decay_begins_at_the_present_rate_and_ends_the_run(base, shape):
    result = edited(base, [edit_at(40, f"decay 25 {shape}")])
    assert result.total_steps == 65
    assert result(40) == base(40)
    down = base(40) * schedule(f"{shape}(25)").table()
    np.testing.assert_allclose(result.table()[40:], down, rtol=1e-14)


@pytest.mark.parametrize(
    "words",
    ["scale 0.5", "set 0.01", "hold", "decay 50", "stretch 150", "follow '0.02 * linear()'"],
)
@every_base
def test_after_an_undo_the_schedule_is_as_if_the_edit_had_not_been_made(base, words):
    before, second = edit_at(20, "scale 0.7"), edit_at(40, words)
    result = edited(base, [before, second, edit_at(60, "undo")])
    without, with_it = edited(base, [before]), edited(base, [before, second])
    assert result.table()[60:].tolist() == without.table()[60:].tolist()
    assert result.table()[:60].tolist() == with_it.table()[:60].tolist()
    assert result.total_steps == base.total_steps


@every_base
def test_a_further_undo_takes_back_the_edit_before_and_later_edits_count(base):
    edits = [
        edit_at(20, "scale 0.5"),
        edit_at(30, "hold"),
        edit_at(40, "undo"),
        edit_at(50, "undo"),
    ]
    assert edited(base, edits).table()[50:].tolist() == base.table()[50:].tolist()
    edits[3:] = [edit_at(50, "scale 0.1"), edit_at(60, "undo"), edit_at(70, "undo")]
    result = edited(base, edits)
    assert result.table()[60:70].tolist() == edited(base, edits[:1]).table()[60:70].tolist()
    assert result.table()[70:].tolist() == base.table()[70:].tolist()


def test_an_undo_concerns_the_groups_that_the_edit_changed():
    base = schedule("0.1 * constant(100)")
    edits = (edit_at(20, "scale 0.5", group=1), edit_at(30, "scale 0.1"))
    undone = Edited(base, (*edits, edit_at(40, "undo")), ratios=(1.0, 0.1))
    assert undone.rates(40) == pytest.approx((0.1, 0.005))
    assert undone.with_edit(edit_at(50, "undo")).rates(50) == pytest.approx((0.1, 0.01))


def test_a_rollback_brings_back_an_edit_that_was_undone_after_its_target():
    base = schedule("0.1 * constant(100)")
    edits = [edit_at(20, "scale 0.5"), edit_at(40, "undo"), edit_at(50, "rollback 30")]
    assert edited(base, edits)(30) == edited(base, edits)(60) == 0.05


def test_an_undo_under_an_external_scheduler_gives_its_rates_back():
    start = Edited(None)
    for words in ("scale 0.5", "hold"):
        changed = start.with_edit(edit_in(words, author="ann").at_step(3, (0.2,)))
        undone = changed.with_edit(edit_in("undo", author="ann").at_step(5, (0.2,)))
        assert (undone.rates(6), undone.group(0).absolute) == ((1.0,), False)


def test_a_decay_can_be_taken_back():
    base = BASES["stable"]
    result = edited(base, [edit_at(20, "decay 60"), edit_at(30, "release")])
    assert result.total_steps == base.total_steps
    assert result.table()[30:].tolist() == base.table()[30:].tolist()


def test_a_stretch_makes_the_stable_phase_longer():
    result = edited(BASES["stable"], [edit_at(30, "stretch 150")])
    assert result == schedule("0.1 * warmup(10) >> constant(100) >> linear(40)")


@every_base
@pytest.mark.parametrize("step", [5, 80])
def test_a_stretch_never_changes_the_past_nor_jumps(base, step):
    result = edited(base, [edit_at(step, "stretch 150")])
    assert result.total_steps == 150
    assert result.table()[: step + 1].tolist() == base.table()[: step + 1].tolist()
    allowed = np.abs(np.diff(base.table())).max() * (1 + 1e-12)
    assert np.abs(np.diff(result.table())).max() <= allowed
    assert result.table()[-1] == base.table()[-1]


def test_another_schedule_is_followed_from_where_the_run_is():
    result = edited(BASES["stable"], [edit_at(50, "follow '0.2 * linear()'")])
    assert result.table()[50:].tolist() == schedule("0.2 * linear(100)").table()[50:].tolist()


def test_a_rollback_undoes_what_came_after_its_target():
    base = BASES["stable"]
    edits = [
        edit_at(20, "scale 0.5"),
        edit_at(30, "scale 0.5"),
        edit_at(40, "rollback 25"),
        edit_at(27, "scale 0.1"),
    ]
    expected = base.table() * np.repeat([1.0, 0.5, 0.05], [20, 7, 73])
    np.testing.assert_allclose(edited(base, edits).table(), expected, rtol=1e-14)


def test_a_rollback_keeps_the_edits_that_were_made_at_its_target():
    base = BASES["stable"]
    result = edited(base, [edit_at(20, "scale 0.5"), edit_at(40, "rollback 20")])
    assert result == edited(base, [edit_at(20, "scale 0.5")])


def test_the_highest_rate_from_the_end_of_a_schedule_on_is_its_last():
    floor = Edited(schedule("0.1 * (linear(10) >> 0.02 * constant(5))"))
    assert [floor.highest_rate(step) for step in (0, 12, 15, 20)] == [0.1, 0.002, 0.002, 0.002]


def test_a_group_has_edits_of_its_own_and_shares_those_of_all():
    result = Edited(
        BASES["stable"],
        (
            edit_at(20, "scale 0.5", group=1),
            edit_at(30, "scale 0.1"),
            edit_at(40, "set 3e-4", group=1),
        ),
        ratios=(1.0, 0.1),
    )
    assert result.rates(25) == pytest.approx((0.1, 0.005))
    assert result.rates(35) == pytest.approx((0.01, 0.0005))
    assert result.rates(40) == (0.1 * 0.1, pytest.approx(3e-4, rel=1e-15))
    assert result.schedule_of(1)(45) == pytest.approx(result.rates(45)[1], rel=1e-15)


VALUES = {
    "scale": st.floats(0.01, 5.0).map(lambda x: float(f"{x:.3g}")),
    "set": st.floats(1e-5, 1.0).map(lambda x: float(f"{x:.3g}")),
    "hold": st.none(),
    "release": st.none(),
    "decay": st.integers(1, 60),
    "stretch": st.integers(101, 300),
    "undo": st.none(),
    "rollback": st.integers(0, 100),
}
some_edits = st.lists(
    st.sampled_from(sorted(VALUES)).flatmap(
        lambda kind: st.tuples(st.just(kind), VALUES[kind], st.integers(1, 15))
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(drawn=some_edits)
@every_base
def test_a_result_is_a_schedule_with_the_same_past(base, drawn):
    result, step, past = Edited(base), 0, []
    for kind, value, later in drawn:
        reached = step + later
        assume(reached < (result.total_steps or 0))
        past[step:] = [result.schedule(past_step) for past_step in range(step, reached)]
        edit = Edit(kind=kind, value=value, author="ann", step=reached)
        step = reached
        try:
            after = result.with_edit(edit)
        except ArgumentError:
            continue
        result = after
        step = min(value, step) if kind == "rollback" else step
        now = result.schedule
        assert [now(past_step) for past_step in range(step)] == past[:step]
        assert Edited(base, result.edits) == result
        assert Edited(base, result.edits).schedule == now
        assert schedule(str(now)) == now == from_json(now.to_json())
        assert np.isfinite(now.table()).all()
    read = [Edit.from_dict(json.loads(json.dumps(edit.to_dict()))) for edit in result.edits]
    assert tuple(read) == result.edits
    assert pickle.loads(pickle.dumps(result.edits)) == result.edits


def test_a_long_history_still_has_a_text_form():
    edits = []
    for turn in range(60):
        edits += [edit_at(6 * turn + 3, "hold"), edit_at(6 * turn + 5, "scale 0.99")]
        edits += [edit_at(6 * turn + 7, "release")]
    result = edited(schedule("0.1 * cosine(1000)"), edits)
    assert schedule(str(result)) == result == from_json(result.to_json())


def test_edits_change_the_rates_of_an_external_scheduler():
    result = Edited(None, (edit_at(3, "scale 0.5"),)[:0], ratios=(1.0, 0.1))
    result = result.with_edit(edit_in("scale 0.5", author="ann").at_step(3, (0.4, 0.04)))
    assert (result.group(0).schedule(2), result.group(0).schedule(3)) == (1.0, 0.5)
    result = result.with_edit(edit_in("hold", author="ann").at_step(5, (0.2, 0.03)))
    assert result.group(1).absolute
    assert result.rates(9) == pytest.approx((0.2, 0.03))
    result = result.with_edit(edit_in("release", author="ann").at_step(9, (0.2, 0.03)))
    assert (result.group(1).absolute, result.group(1).schedule(9)) == (False, 0.5)
    with pytest.raises(ArgumentError, match="stretch needs a schedule of learnrate"):
        result.with_edit(edit_in("stretch 9", author="ann").at_step(9, (0.2, 0.03)))


def test_under_an_external_scheduler_edits_are_kept_when_a_group_is_added():
    earlier = edit_in("set 0.2", author="ann").at_step(3, (0.4,))
    hold = edit_in("hold", author="ann").at_step(5, (0.2, 0.03))
    result = Edited(None, (earlier, hold), ratios=(1.0, 0.1))
    assert result.group(1).schedule(4) == 0.5
    assert result.rates(9) == pytest.approx((0.2, 0.03))
    with pytest.raises(ArgumentError, match="needs the rate of each group before it"):
        result.with_edit(edit_in("hold", author="ann").at_step(9, (0.2,)))


@pytest.mark.parametrize(
    "words",
    [
        "scale 0.5",
        "set 1e-4",
        "hold",
        "release",
        "decay 500",
        "decay 500 'cosine()'",
        "stretch 20000",
        "follow '3e-4 * linear()'",
        "undo",
        "rollback 100",
        "snapshot",
        "probe",
        "stop",
    ],
)
def test_words_are_read_and_written_back(words):
    edit = edit_in(words, author="ann", reason="why")
    assert edit_in(edit.words, author="ann", reason="why") == edit
    assert Edit.from_dict(edit.to_dict()) == edit


@pytest.mark.parametrize(
    "words", ["scale 0.5", "decay 500 'cosine()'", "follow '3e-4 * linear()'"]
)
def test_words_may_be_quoted_as_one_argument_of_a_shell(words):
    assert edit_in([words], author="ann") == edit_in(words, author="ann")


def test_every_kind_has_its_words():
    assert {kind.value for kind in EditKind} == {
        *("scale", "set", "hold", "release", "decay", "stretch", "follow"),
        *("undo", "rollback", "snapshot", "probe", "stop"),
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "scael 0.5",
            "there is no edit 'scael'; did you mean 'scale'\\? The edits are scale, set, ",
        ),
        ("lower", "there is no edit 'lower'\\. The edits are scale, set, "),
        (5, "an edit must be text, such as 'scale 0.5'; got 5"),
        ("", "an edit is one of scale"),
        ("scale", "scale needs a factor above 0, such as 0.5; got nothing"),
        ("scale -1", "scale needs a factor above 0.*got -1.0"),
        ("scale 0", "scale needs a factor above 0"),
        ("scale half", "scale needs a factor.*got 'half'"),
        ("set nan", "set needs a rate above 0, such as 1e-4; got nan"),
        ("set inf", "set needs a rate above 0"),
        ("set -0.1", "set needs a rate above 0"),
        ("decay 1.5", "decay needs the steps of the decay"),
        ("decay 10 nonsense", "nonsense"),
        ("hold 3", "hold takes no value; got '?3"),
        ("scale 1 2", "scale takes one value; got 1 2"),
        ("rollback -1", "rollback needs the step to go back to"),
        ("follow nonsense", "nonsense"),
        ("scale 'a", "cannot be read"),
    ],
)
def test_text_that_is_not_an_edit_is_refused(words, message):
    with pytest.raises(ArgumentError, match=message):
        edit_in(words, author="ann")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"author": " "}, "an edit needs an author"),
        ({"reason": 3}, "reason of an edit must be text"),
        ({"group": -1}, "group"),
        ({"kind": "stop", "value": None, "group": 1}, "stop applies to all groups"),
        ({"kind": "undo", "value": None, "group": 1}, "undo applies to all groups"),
        ({"step": -1}, "step"),
    ],
)
def test_fields_outside_their_rules_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        Edit(**({"kind": "scale", "value": 0.5, "author": "ann"} | options))


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([edit_at(30, "release")], "the rate is not held"),
        ([edit_at(30, "undo")], "there is no edit of the rate to undo"),
        (
            [edit_at(30, "scale 2"), edit_at(31, "undo"), edit_at(32, "undo")],
            "no edit of the rate",
        ),
        (
            [edit_at(30, "stretch 150"), edit_at(120, "undo")],
            "without 'stretch 150' the run has 100 steps, and 120 are made",
        ),
        ([edit_at(30, "stretch 50")], "stretch needs a total above the 100 steps"),
        ([edit_at(30, "hold", group=4)], "there is no group 4"),
        ([edit_at(100, "set 0.1")], "the rate is 0 at step 100"),
        ([edit_at(30, "follow '0.1 * linear(20)'")], "longer than the 30 steps made"),
        ([edit_in("hold", author="ann")], "needs the step"),
    ],
)
def test_edits_that_do_not_fit_are_refused(edits, message):
    with pytest.raises(ArgumentError, match=message):
        Edited(BASES["stable"], tuple(edits))


def test_limits_name_the_bound_that_an_edit_exceeds():
    limits = Limits(highest=0.2, factor=5, authors=("ann",))
    assert Limits.of(json.loads(json.dumps(limits.to_dict()))) == limits
    before = Edited(BASES["stable"])

    def check(words, author="ann"):
        edit = edit_in(words, author=author).at_step(40)
        limits.check(edit, before, before.with_edit(edit))

    check("scale 2")
    check("set 0.2")
    with pytest.raises(ArgumentError, match=r"lead to the rate 0.3; this run allows 0.2 at most"):
        check("scale 3")
    with pytest.raises(
        ArgumentError, match=r"from 0.1 to 0.01 in one edit; this run allows a factor"
    ):
        check("set 0.01")
    with pytest.raises(ArgumentError, match="ben may not edit this run; its limits allow ann"):
        check("hold", author="ben")
    with pytest.raises(ArgumentError, match=r"lead to the rate 0.9"):
        check("follow '0.9 * warmup(90) >> linear()'")


def test_limits_hold_for_the_rates_of_an_external_scheduler():
    before = Edited(None, ratios=(1.0, 0.1))

    def check(words):
        edit = replace(edit_in(words, author="ann").at_step(40), before=(0.1, 0.01))
        Limits(factor=5).check(edit, before, before.with_edit(edit))

    check("scale 0.25")
    check("set 0.05")
    with pytest.raises(ArgumentError, match=r"from 0.1 to 0.01 in one edit"):
        check("scale 0.1")
    with pytest.raises(ArgumentError, match=r"from 0.1 to 0.001 in one edit"):
        check("set 0.001")


@pytest.mark.parametrize(
    "limits",
    [{"highest": -1}, {"factor": 0.5}, {"authors": "ann"}, {"lowest": 1}, {"factor": "2"}],
)
def test_limits_outside_their_rules_are_refused(limits):
    with pytest.raises(ArgumentError):
        Limits.of(limits)


@pytest.mark.parametrize("key", ["author", "reason", "before"])
def test_an_edit_that_was_cut_short_names_the_missing_key(key):
    document = edit_at(3, "scale 0.5").to_dict()
    del document[key]
    with pytest.raises(ArgumentError, match=f"Edit needs the key '{key}'"):
        Edit.from_dict(document)


def test_a_saved_edit_with_an_unknown_key_or_a_bad_value_is_refused():
    document = edit_at(3, "scale 0.5").to_dict()
    with pytest.raises(ArgumentError, match="Edit has no key 'colour'"):
        Edit.from_dict({**document, "colour": 1})
    with pytest.raises(ArgumentError, match=r"^scale needs a factor above 0, such as 0.5; got -1"):
        Edit.from_dict({**document, "value": -1})
