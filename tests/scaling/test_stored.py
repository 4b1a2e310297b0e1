"""Plans and sweeps as a table of runs."""

import pytest

from learnrate import ArgumentError
from learnrate.scaling import fit, stored_runs


def document(steps, width, *, exponent=-0.3):
    """A sweep whose best rate is steps ** exponent at every width; wider models end lower."""
    best = steps**exponent
    trials = [
        {"lr": best * 2**half, "loss": 1 + half**2 / 10 + 1 / width, "steps": steps, "seed": 0}
        for half in (-2, -1, 0, 1, 2)
    ]
    return {"trials": trials}, {"N": width**2, "width": width, "B": 32, "note": "text"}


DOCUMENTS = [document(steps, width) for steps in (50, 100, 200, 400) for width in (8, 16, 32)]


def test_stored_plans_and_sweeps_give_the_rate_of_a_longer_and_wider_run():
    factors = {"steps": 1600, "width": 64}
    table = stored_runs(DOCUMENTS, list(factors))
    assert list(table) == ["lr", "loss", "steps", "width"]
    scaled = fit(table, extra_factors=list(factors), progress=False).predict(**factors)
    assert scaled.lr == pytest.approx(1600**-0.3, rel=0.05)
    assert scaled.low < 1600**-0.3 < scaled.high
    assert scaled.exponents["width"].value == pytest.approx(0.0, abs=0.05)


def test_a_factor_that_others_determine_is_left_out_unless_it_is_asked_for():
    assert "N" not in stored_runs(DOCUMENTS, ["steps", "width"])
    assert "N" in stored_runs(DOCUMENTS, ["steps", "N"])
    assert {"N", "width"} <= stored_runs(DOCUMENTS, ["steps"]).keys()  # nothing determines them


def test_only_what_is_known_of_every_document_is_a_factor():
    content, _ = document(50, 8)
    table = stored_runs([*DOCUMENTS, (content, {"B": 32})], ["steps", "B"])
    assert list(table) == ["lr", "loss", "steps", "B"]
    with pytest.raises(ArgumentError, match="some plans and sweeps do not have the fact width"):
        stored_runs([*DOCUMENTS, (content, {"B": 32})], ["width"])


@pytest.mark.parametrize(("factor", "mixed"), [("width", "steps"), ("steps", "width")])
def test_trials_that_differ_in_a_factor_that_is_not_asked_for_are_refused(factor, mixed):
    documents = [(content, {"width": facts["width"]}) for content, facts in DOCUMENTS]
    values = {"steps": "50, 100, 200, 400", "width": "8, 16, 32"}[mixed]
    with pytest.raises(ArgumentError, match=rf"the trials differ in {mixed} \({values}\)"):
        stored_runs(documents, [factor])


def test_a_width_of_each_trial_counts():
    trials = [{"lr": lr, "loss": 1.0, "steps": 9, "width": w} for w in (1, 2) for lr in (1, 2, 3)]
    assert stored_runs([({"trials": trials}, {})], ["width"])["width"] == [1, 1, 1, 2, 2, 2]


def test_plans_of_several_rates_alone_are_refused():
    with pytest.raises(ArgumentError, match="no trials of one rate"):
        stored_runs([({"trials": [{"lrs": [1, 2], "loss": 1.0}]}, {})])
