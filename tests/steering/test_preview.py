"""Previews of a schedule with edits."""

from learnrate import schedule
from learnrate.edits import edit_in, edited
from learnrate.steering import preview

BASE = schedule("0.1 * warmup(10) >> constant(50) >> linear(40)")


def test_a_preview_counts_pending_edits_and_the_prepared_one():
    first = edit_in("scale 0.5", author="ann").at_step(20)
    prepared = edit_in("scale 0.1", author="ann")
    result = preview(BASE, [first], prepared, step=30)
    assert result == edited(BASE, [first, prepared.at_step(30)])
