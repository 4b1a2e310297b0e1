"""Edits as data: their words, what they make of a schedule, limits."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from learnrate import ArgumentError, schedule
from learnrate.edits import Edit, Edited, EditKind, Limits, edit_in, edited
from learnrate.schedules import from_json
from learnrate.steering import preview

BASES = {
    "stable": schedule("0.1 * warmup(10) >> constant(50) >> linear(40)"),
    "cosine": schedule("3e-4 * warmup(10) >> cosine(90, floor=0.1)"),
    "product": schedule("0.3 * constant(100) * step(every=30, factor=0.5)"),
    "unscaled": schedule("warmup(10) >> linear(90)"),
    "ascending": schedule("3e-4 * warmup(10) >> linear(90)").ascending(),
}
every_base = pytest.mark.parametrize("base", BASES.values(), ids=BASES.keys())


def at(step, words, **options):
    return edit_in(words, author="ann", **options).at(step)


@every_base
def test_a_scale_holds_from_its_step_to_the_end(base):
    made = edited(base, [at(40, "scale 0.5"), at(60, "scale 0.2")])
    factor = np.repeat([1.0, 0.5, 0.1], [40, 20, 40])
    np.testing.assert_allclose(made.table(), base.table() * factor, rtol=1e-15)
    assert made.table()[:40].tolist() == base.table()[:40].tolist()


@every_base
def test_a_set_gives_the_rate_never_above_it_and_goes_on_with_the_shape(base):
    made = edited(base, [at(40, "set 0.0123")])
    assert 0.0123 * (1 - 1e-15) <= abs(made(40)) <= 0.0123
    expected = base.table()[40:] / abs(base(40)) * 0.0123
    np.testing.assert_allclose(made.table()[40:], expected, rtol=1e-12)


@every_base
def test_a_hold_keeps_the_rate_and_a_release_goes_back_to_the_schedule(base):
    made = edited(base, [at(35, "hold"), at(70, "release")])
    expected = base.table()
    expected[35:70] = base(35)
    np.testing.assert_allclose(made.table(), expected, rtol=1e-15)
    assert made.total_steps == base.total_steps


@every_base
def test_a_scale_while_held_changes_what_is_held_and_what_comes_after(base):
    made = edited(base, [at(30, "hold"), at(40, "scale 0.5"), at(60, "release")])
    expected = base.table()
    expected[30:40], expected[40:60] = base(30), 0.5 * base(30)
    expected[60:] *= 0.5
    np.testing.assert_allclose(made.table(), expected, rtol=1e-14)


@every_base
@pytest.mark.parametrize("shape", ["linear", "cosine", "one_minus_sqrt"])
def test_a_decay_begins_at_the_rate_it_has_and_ends_the_run(base, shape):
    made = edited(base, [at(40, f"decay 25 {shape}")])
    assert made.total_steps == 65
    assert made(40) == base(40)
    down = base(40) * schedule(f"{shape}(25)").table()
    np.testing.assert_allclose(made.table()[40:], down, rtol=1e-14)


def test_a_decay_can_be_taken_back():
    base = BASES["stable"]
    made = edited(base, [at(20, "decay 60"), at(30, "release")])
    assert made.total_steps == base.total_steps
    assert made.table()[30:].tolist() == base.table()[30:].tolist()


def test_a_stretch_lasts_in_the_stable_phase():
    made = edited(BASES["stable"], [at(30, "stretch 150")])
    assert made == schedule("0.1 * warmup(10) >> constant(100) >> linear(40)")


@every_base
@pytest.mark.parametrize("step", [5, 80])
def test_a_stretch_never_changes_the_past_nor_jumps(base, step):
    made = edited(base, [at(step, "stretch 150")])
    assert made.total_steps == 150
    assert made.table()[: step + 1].tolist() == base.table()[: step + 1].tolist()
    allowed = np.abs(np.diff(base.table())).max() * (1 + 1e-12)
    assert np.abs(np.diff(made.table())).max() <= allowed
    assert made.table()[-1] == base.table()[-1]


def test_another_schedule_is_followed_from_where_the_run_is():
    made = edited(BASES["stable"], [at(50, "follow '0.2 * linear()'")])
    assert made.table()[50:].tolist() == schedule("0.2 * linear(100)").table()[50:].tolist()


def test_a_rollback_undoes_what_came_after_its_target():
    base = BASES["stable"]
    edits = [at(20, "scale 0.5"), at(30, "scale 0.5"), at(40, "rollback 25"), at(27, "scale 0.1")]
    expected = base.table() * np.repeat([1.0, 0.5, 0.05], [20, 7, 73])
    np.testing.assert_allclose(edited(base, edits).table(), expected, rtol=1e-14)


def test_a_group_has_edits_of_its_own_and_shares_those_of_all():
    made = Edited(
        BASES["stable"],
        (at(20, "scale 0.5", group=1), at(30, "scale 0.1"), at(40, "set 3e-4", group=1)),
        ratios=(1.0, 0.1),
    )
    assert made.rates(25) == pytest.approx((0.1, 0.005))
    assert made.rates(35) == pytest.approx((0.01, 0.0005))
    assert made.rates(40) == (0.1 * 0.1, pytest.approx(3e-4, rel=1e-15))
    assert made.group(1)(45) == pytest.approx(made.rates(45)[1], rel=1e-15)


VALUES = {
    "scale": st.floats(0.01, 5.0).map(lambda x: float(f"{x:.3g}")),
    "set": st.floats(1e-5, 1.0).map(lambda x: float(f"{x:.3g}")),
    "hold": st.none(),
    "release": st.none(),
    "decay": st.integers(1, 60),
    "stretch": st.integers(101, 300),
    "rollback": st.integers(0, 100),
}
some_edits = st.lists(
    st.sampled_from(sorted(VALUES)).flatmap(
        lambda kind: st.tuples(st.just(kind), VALUES[kind], st.integers(1, 15))
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(asked=some_edits)
@every_base
def test_whatever_is_edited_is_a_schedule_whose_past_is_as_it_was(base, asked):
    made, step, past = Edited(base), 0, []
    for kind, value, later in asked:
        reached = step + later
        assume(reached < (made.total_steps or 0))
        past[step:] = [made.schedule(each) for each in range(step, reached)]
        edit = Edit(kind=kind, value=value, author="ann", step=reached)
        step = reached
        try:
            after = made.with_edit(edit)
        except ArgumentError:
            continue
        made = after
        step = min(value, step) if kind == "rollback" else step
        now = made.schedule
        assert [now(each) for each in range(step)] == past[:step]
        assert Edited(base, made.edits) == made
        assert Edited(base, made.edits).schedule == now
        assert schedule(str(now)) == now == from_json(now.to_json())
        assert np.isfinite(now.table()).all()
    read = [Edit.from_dict(json.loads(json.dumps(each.to_dict()))) for each in made.edits]
    assert tuple(read) == made.edits
    assert pickle.loads(pickle.dumps(made.edits)) == made.edits


def test_a_long_history_still_has_a_text_form():
    edits = []
    for turn in range(60):
        edits += [at(6 * turn + 3, "hold"), at(6 * turn + 5, "scale 0.99")]
        edits += [at(6 * turn + 7, "release")]
    made = edited(schedule("0.1 * cosine(1000)"), edits)
    assert schedule(str(made)) == made == from_json(made.to_json())


def test_rates_of_somebody_elses_scheduler_are_edited_by_what_they_are():
    made = Edited(None, (at(3, "scale 0.5"),)[:0], ratios=(1.0, 0.1))
    made = made.with_edit(edit_in("scale 0.5", author="ann").at(3, (0.4, 0.04)))
    assert (made.course(0).schedule(2), made.course(0).schedule(3)) == (1.0, 0.5)
    made = made.with_edit(edit_in("hold", author="ann").at(5, (0.2, 0.03)))
    assert made.course(1).absolute
    assert made.rates(9) == pytest.approx((0.2, 0.03))
    made = made.with_edit(edit_in("release", author="ann").at(9, (0.2, 0.03)))
    assert (made.course(1).absolute, made.course(1).schedule(9)) == (False, 0.5)
    with pytest.raises(ArgumentError, match="stretch needs a schedule of ours"):
        made.with_edit(edit_in("stretch 9", author="ann").at(9, (0.2, 0.03)))


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
        "rollback 100",
        "snapshot",
        "probe",
        "stop",
    ],
)
def test_words_are_read_and_written_back(words):
    found = edit_in(words, author="ann", reason="why")
    assert edit_in(found.words, author="ann", reason="why") == found
    assert Edit.from_dict(found.to_dict()) == found


def test_every_kind_has_its_words():
    assert {kind.value for kind in EditKind} == {
        *("scale", "set", "hold", "release", "decay", "stretch", "follow"),
        *("rollback", "snapshot", "probe", "stop"),
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("scael 0.5", "there is no edit 'scael'; did you mean 'scale'?"),
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
def test_words_that_say_no_edit_are_refused(words, message):
    with pytest.raises(ArgumentError, match=message):
        edit_in(words, author="ann")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"author": " "}, "an edit needs its author"),
        ({"reason": 3}, "reason must be a text"),
        ({"group": -1}, "group"),
        ({"kind": "stop", "value": None, "group": 1}, "stop is for all groups"),
        ({"step": -1}, "step"),
    ],
)
def test_fields_outside_their_rules_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        Edit(**({"kind": "scale", "value": 0.5, "author": "ann"} | options))


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([at(30, "release")], "nothing is held"),
        ([at(30, "stretch 50")], "stretch needs a total above the 100 steps"),
        ([at(30, "hold", group=4)], "there is no group 4"),
        ([at(100, "set 0.1")], "the rate is 0 at step 100"),
        ([at(30, "follow '0.1 * linear(20)'")], "longer than the 30 steps made"),
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
        edit = edit_in(words, author=author).at(40)
        limits.check(edit, before, before.with_edit(edit))

    check("scale 2")
    check("set 0.2")
    with pytest.raises(ArgumentError, match=r"lead to the rate 0.3; this run allows 0.2 at most"):
        check("scale 3")
    with pytest.raises(ArgumentError, match=r"from 0.1 to 0.01 at once; this run allows a factor"):
        check("set 0.01")
    with pytest.raises(ArgumentError, match="ben may not edit this run; its limits name ann"):
        check("hold", author="ben")
    with pytest.raises(ArgumentError, match=r"lead to the rate 0.9"):
        check("follow '0.9 * warmup(90) >> linear()'")


@pytest.mark.parametrize(
    "limits",
    [{"highest": -1}, {"factor": 0.5}, {"authors": "ann"}, {"lowest": 1}, {"factor": "2"}],
)
def test_limits_outside_their_rules_are_refused(limits):
    with pytest.raises(ArgumentError):
        Limits.of(limits)


def test_a_preview_counts_pending_edits_and_the_one_prepared():
    prepared = edit_in("scale 0.1", author="ann")
    shown = preview(BASES["stable"], [at(20, "scale 0.5")], prepared, step=30)
    assert shown == edited(BASES["stable"], [at(20, "scale 0.5"), at(30, "scale 0.1")])
