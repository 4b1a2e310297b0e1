"""What holds for all rules together, and for the rules while a run is live."""

import inspect
import json
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import learnrate
from learnrate import ArgumentError
from learnrate.watch import RULES, Observations, Options, Watcher, diagnose
from learnrate.watch._reading import Reading
from learnrate.watch._registry import _in_order
from learnrate.watch.rules.lr102 import SpikesOptions
from learnrate.watch.rules.lr201 import TooSlowOptions

DOCS = Path(__file__).parents[2] / "docs" / "findings"


def test_a_file_name_instead_of_observations_is_refused():
    with pytest.raises(ArgumentError, match=r"got 'runs.csv'. Read a log with .*read_runs"):
        diagnose("runs.csv")


def faulty(runs, kind):
    loss, lr, facts = runs.loss(), runs.rate(), {}
    if kind == "diverged":
        loss[250:] = 2.3
    elif kind == "never decayed":
        lr = np.full(400, 0.1)
    elif kind == "swings":
        loss[150:240] += 1.3
    elif kind == "slow":
        loss = 2.3 - 0.4 * np.cumsum(lr) / lr.sum() + 0.01 * runs.loss(floor=0.0, over=1e-3)
    elif kind == "chance":
        loss, facts = 2.3 + 0.02 * runs.loss(noise=1.0, over=1e-3), {}
    return {"loss": loss, "lr": lr, "facts": facts}


KINDS = ("healthy", "diverged", "never decayed", "swings", "slow", "chance")


@given(kind=st.sampled_from(KINDS), power=st.integers(-12, 12))
def test_the_unit_of_the_loss_changes_nothing(runs, kind, power):
    known = faulty(runs, kind)
    scaled = known | {"loss": 2.0**power * known["loss"]}
    assert runs.codes(**scaled) == runs.codes(**known)


@given(kind=st.sampled_from(KINDS), power=st.integers(-12, 12))
def test_the_unit_of_the_rate_changes_nothing(runs, kind, power):
    known = faulty(runs, kind)
    assert runs.codes(**known | {"lr": 2.0**power * known["lr"]}) == runs.codes(**known)


@given(extra=st.integers(1, 400), seed=st.integers(0, 9))
def test_a_healthy_live_run_has_no_error(runs, extra, seed):
    n = 400 + extra
    diagnosis = runs.diagnose(loss=runs.loss(n=n, seed=seed), lr=runs.rate(n=n))
    assert not diagnosis.failed


@given(kind=st.sampled_from([kind for kind in KINDS if kind != "slow"]), every=st.integers(2, 5))
def test_rows_without_a_value_change_nothing(runs, kind, every):
    known = faulty(runs, kind)
    n = every * 400
    spread = {name: np.full(n, np.nan) for name in ("loss", "lr")}
    for name, column in spread.items():
        column[::every] = known[name]
    assert runs.codes(**spread) == runs.codes(**known)


@given(
    values=st.lists(
        st.one_of(st.floats(-1e30, 1e30), st.just(math.inf), st.just(math.nan)), max_size=120
    ),
    rates=st.lists(st.one_of(st.floats(-10, 10), st.just(math.nan)), max_size=120),
)
def test_any_columns_at_all_are_diagnosed_into_plain_json(values, rates):
    n = min(len(values), len(rates))
    observations = Observations(
        run="any",
        step=np.arange(n),
        columns={"loss": values[:n], "lr": rates[:n], "validation": values[:n]},
        facts={"classes": 10},
    )
    for finding in diagnose(observations).to_list():
        json.dumps(finding, allow_nan=False)
        assert set(finding) == {"run", "code", "severity", "step", "message", "evidence", "remedy"}


def test_each_cause_has_one_finding_and_what_follows_is_listed(runs):
    diagnosis = runs.diagnose(**faulty(runs, "diverged") | {"lr": np.full(400, 0.1)})
    assert diagnosis.codes() == ["LR101"]
    assert diagnosis.explained["LR302"] == "LR101"


def test_a_divergence_has_the_remedy_of_the_inputs_that_cause_it(runs):
    looks = range(0, 400, 50)
    facts = {"input_rms": [[step, 130.0] for step in looks], "input_direct": [[0, 1.0]]}
    known = faulty(runs, "diverged") | {"lr": np.full(400, 0.1)}
    alone = runs.diagnose(**known)
    caused = runs.diagnose(**known | {"facts": known.get("facts", {}) | facts})
    assert caused.codes() == ["LR101", "LR406"]
    assert "Lower the peak rate" in alone.findings[0].remedy
    assert caused.findings[0].remedy == caused.findings[1].remedy
    assert "mean 0" in caused.findings[0].remedy


def test_no_two_rules_explain_each_other():
    from graphlib import TopologicalSorter

    graph = {rule.code: rule.explains for rule in RULES}
    assert set(TopologicalSorter(graph).static_order()) == set(graph)


def test_findings_come_most_severe_first(runs):
    loss = runs.loss()
    loss[390:] = np.inf
    diagnosis = runs.diagnose(
        loss=loss, lr=runs.rate(), clipped=np.ones(400), only=["LR105", "LR101"]
    )
    assert diagnosis.codes() == ["LR101"]
    diagnosis = runs.diagnose(loss=runs.loss(), lr=np.full(400, 0.1), clipped=np.ones(400))
    assert diagnosis.codes() == ["LR105", "LR302"]


def test_a_log_without_rates_says_which_rules_could_not_run(runs):
    diagnosis = runs.diagnose(loss=runs.loss())
    assert diagnosis.findings == ()
    no_rate = {code for code, why in diagnosis.not_run.items() if why == "no lr was recorded"}
    assert no_rate == {rule.code for rule in RULES if "lr" in rule.needs}
    assert {"LR104", *(f"LR30{digit}" for digit in range(1, 9))} <= no_rate


def test_too_few_rows_are_reported_as_such(runs):
    diagnosis = runs.diagnose(loss=runs.loss(n=10), lr=runs.rate(n=10))
    assert diagnosis.findings == ()
    assert diagnosis.not_run["LR103"] == "only 10 rows of loss; at least 20 are needed"


def test_an_empty_run_has_no_finding():
    diagnosis = diagnose(Observations(run="empty", step=[], columns={}))
    assert diagnosis.findings == ()
    assert set(diagnosis.not_run) == {rule.code for rule in RULES}


def test_rules_can_be_chosen_and_left_out(runs):
    known = faulty(runs, "never decayed")
    assert runs.diagnose(**known, only=["LR101"]).codes() == []
    observations = runs.observed(**known)
    assert diagnose(observations, ignore=["LR302"]).codes() == []
    with pytest.raises(ArgumentError, match="no rule has the code 'LR999'"):
        diagnose(observations, only=["LR999"])


def test_thresholds_are_options(runs):
    known = faulty(runs, "slow")
    assert runs.codes(**known) == ["LR201"]
    assert runs.codes(**known, options=Options(too_slow=TooSlowOptions(quarter_fall=0.9))) == []


def test_options_have_one_frozen_record_for_each_rule():
    options = Options()
    assert list(vars(options)) == [rule.name for rule in RULES]
    assert [options.of(rule) for rule in RULES] == [rule.options for rule in RULES]
    assert len({type(rule.options) for rule in RULES}) == len(RULES)
    assert options == pickle.loads(pickle.dumps(options)) != Options(spikes=SpikesOptions(count=4))
    with pytest.raises(AttributeError, match=r"Options\.spikes cannot be set"):
        options.spikes = SpikesOptions()


def test_options_take_the_names_of_rules_and_the_thresholds_of_each():
    with pytest.raises(ArgumentError, match=r"Options\(spike=\.\.\.\) must be the name of a rule"):
        Options(spike=SpikesOptions())
    with pytest.raises(ArgumentError, match=r"Options\(spikes=\.\.\.\) must be SpikesOptions"):
        Options(spikes=TooSlowOptions())


def altered(rule, **attributes):
    """The rule with other attributes."""
    return type("Altered", (type(rule),), attributes)()


def test_a_rule_of_another_package_has_its_own_default_thresholds():
    rule = altered(RULES[0], code="LR999", name="mine", options=SpikesOptions(count=9))
    assert Options().of(rule) == SpikesOptions(count=9)


def test_rules_have_the_code_of_their_file_and_a_unique_name():
    first, second = RULES[:2]
    with pytest.raises(TypeError, match=r"rule LR101 must be in lr101\.py, not lr999\.py"):
        _in_order({"lr999": first})
    with pytest.raises(TypeError, match="rule LR102: name must differ from that of LR101"):
        _in_order({"lr101": first, "lr102": altered(second, name=first.name)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"code": "R1"}, "must be LR and three digits; got 'R1'"),
        ({"options": None}, r"rule LR101: its class must derive from Rule\[\.\.\.\]"),
    ],
)
def test_a_rule_without_what_it_needs_is_refused_by_its_code(change, message):
    with pytest.raises(TypeError, match=message):
        altered(RULES[0], **change)


def test_a_threshold_that_is_not_a_number_of_at_least_0_is_refused():
    with pytest.raises(ArgumentError, match=r"SpikesOptions\(height=\.\.\.\) must be a finite"):
        SpikesOptions(height=-1.0)


def test_every_code_in_the_source_has_a_page_and_every_page_a_code():
    """The codes of rules and of probes; the site's index and navigation list all pages."""
    sources = Path(learnrate.__file__).parent.rglob("*.py")
    codes = {code for file in sources for code in re.findall(r'"(LR\d+)"', file.read_text())}
    codes |= {rule.code for rule in RULES}
    assert codes >= {"LR106", "LR203"}
    assert {page.stem for page in DOCS.glob("LR*.md")} == codes
    for code in codes:
        text = (DOCS / f"{code}.md").read_text()
        assert re.match(rf"# {code}: .+\n", text)
        assert re.search(r"^Severity: (error|warning|advice)\b", text, flags=re.MULTILINE)


ATTRIBUTE = re.compile(r"^    (\w+): (.+?)(?=^    \w|\Z)", flags=re.DOTALL | re.MULTILINE)
BULLET = re.compile(r"^- `(\w+)`, (\S+): (.+?)(?=^- |^$)", flags=re.DOTALL | re.MULTILINE)


def joined(lines):
    """A sentence on one line, without links to other findings."""
    return re.sub(r"\[(LR\d+)\]\(LR\d+\.md\)", r"\1", " ".join(lines.split()))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_page_of_a_rule_has_its_title_severity_and_needs(rule):
    text = (DOCS / f"{rule.code}.md").read_text()
    assert text.startswith(f"# {rule.code}: {rule.title}\n")
    assert f"\nSeverity: {rule.severity}" in text
    rows = f"{rule.rows} row{'' if rule.rows == 1 else 's'}"
    needs = ", ".join(f"`{name}`" for name in rule.needs)
    assert not needs or f"Needs {needs} with at least {rows}." in " ".join(text.split())
    for heading in ("## What it means", "## When it is reported", "## What to do"):
        assert heading in text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_page_of_a_rule_says_of_every_threshold_what_the_source_says(rule):
    """A threshold is a sentence with a subject, the same in both places."""
    attributes = inspect.getdoc(type(rule.options)).partition("Attributes:\n")[2]
    page = (DOCS / f"{rule.code}.md").read_text()
    in_source = [(name, joined(sentence)) for name, sentence in ATTRIBUTE.findall(attributes)]
    on_page = [(name, joined(sentence)) for name, _, sentence in BULLET.findall(page)]
    assert on_page == in_source
    defaults = {name: f"{value:g}" for name, value in vars(rule.options).items()}
    assert {name: value for name, value, _ in BULLET.findall(page)} == defaults


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_example_run_of_a_rule_has_its_finding_and_no_other(rule):
    (finding,) = diagnose(rule.example_run()).findings
    assert (finding.code, finding.severity in (rule.severity, "warning")) == (rule.code, True)


def reported(watcher, known, size=20):
    findings = []
    for first in range(0, 400, size):
        rows = slice(first, first + size)
        columns = {name: known[name][rows] for name in ("loss", "lr")}
        new = watcher.feed(np.arange(400)[rows], columns)
        findings += [(first + size, finding.code) for finding in new]
    return findings


def test_a_watcher_reports_a_finding_once_and_soon(runs):
    known = faulty(runs, "diverged")
    known["loss"][260:] = np.inf
    ((rows, code),) = reported(Watcher("a", total_steps=400), known)
    assert code == "LR101"
    assert 260 < rows <= 280


def test_a_watcher_is_silent_about_a_healthy_run_from_beginning_to_end(runs):
    watcher = Watcher("a", total_steps=400)
    assert reported(watcher, faulty(runs, "healthy")) == []
    assert watcher.finish() == ()


def test_the_first_rows_of_a_run_are_judged_by_facts_and_not_by_shapes(runs):
    """A rate of 0 is said soon; a loss that burst may come back, and a rate that climbed may go on."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(400)
    frozen = {"loss": 2.3 + noise, "lr": np.zeros(400)}
    ((rows, code),) = reported(Watcher("a", total_steps=400), frozen, size=4)
    assert (code, rows <= 40) == ("LR202", True)
    shapes = {"loss": runs.loss()[:60], "lr": np.abs(np.cos(np.pi * np.arange(60) / 20))}
    shapes["loss"][5:] += 1e3
    watcher = Watcher("a", total_steps=400)
    for row in range(60):
        assert watcher.feed([row], {name: shapes[name][[row]] for name in shapes}) == ()
    assert runs.diagnose(**shapes).codes() != []


def test_a_finding_that_holds_only_at_the_end_is_reported_at_the_end(runs):
    watcher = Watcher("a")
    known = faulty(runs, "never decayed")
    assert [code for _, code in reported(watcher, known) if code == "LR302"] == []
    assert [finding.code for finding in watcher.finish()] == ["LR302"]
    assert watcher.finish() == ()


def test_rows_fed_one_by_one_or_in_bulk_give_the_same_diagnosis(runs):
    known = faulty(runs, "swings")
    row_by_row, in_bulk = Watcher("a", total_steps=400), Watcher("a", total_steps=400)
    reported(row_by_row, known, size=1)
    reported(in_bulk, known, size=400)
    assert row_by_row.diagnosis().to_list() == in_bulk.diagnosis().to_list()
    expected = runs.diagnose(**known, total_steps=400).codes()
    assert row_by_row.diagnosis().codes() == expected == ["LR103"]


@pytest.mark.parametrize("kind", ["swings", "slow", "never decayed", "healthy"])
def test_a_run_fed_row_by_row_has_the_same_findings_as_the_whole_run(runs, kind):
    known = faulty(runs, kind)
    watcher = Watcher("a", total_steps=400)
    codes = [code for _, code in reported(watcher, known, size=1)]
    codes += [finding.code for finding in watcher.finish()]
    plateau = {"LR301"} if kind == "never decayed" else set()  # advice that holds on the way
    assert set(codes) - plateau == set(runs.diagnose(**known, total_steps=400).codes())


def test_a_spike_that_only_one_check_finds_is_not_a_divergence(runs):
    """A loss that rises and comes back is not reported as diverged in between."""
    loss = runs.loss()
    for first in (118, 200, 300):
        loss[first : first + 8] += 2.0
    watcher = Watcher("a", total_steps=400)
    findings = reported(watcher, {"loss": loss, "lr": runs.rate()}, size=1)
    assert "LR101" not in [code for _, code in findings]


def test_a_watcher_fed_an_earlier_step_takes_it_for_a_resume(runs):
    watcher = Watcher("a", total_steps=400)
    lr = 0.05 * (1 + np.cos(np.pi * np.arange(400) / 400))
    watcher.feed(np.arange(250), {"loss": runs.loss()[:250], "lr": lr[:250]})
    watcher.feed(np.arange(200, 400), {"loss": runs.loss()[200:], "lr": 3 * lr[200:]})
    (finding,) = watcher.finish()
    assert (finding.code, finding.step) == ("LR305", 200)
    assert finding.evidence["resume_known"]


@pytest.mark.parametrize(
    ("step", "columns", "why"),
    [
        ([3, 3], {"loss": [1.0, 1.0]}, "strictly increase"),
        ([1], {"grad": [1.0]}, "must be among"),
        ([1, 2], {"loss": [1.0]}, "for each of the 2 steps"),
    ],
)
def test_invalid_rows_are_refused(step, columns, why):
    with pytest.raises(ArgumentError, match=why):
        Watcher("a").feed(step, columns)


@pytest.mark.parametrize("total_steps", [0, -1, 2.5, "100"])
def test_a_length_that_is_no_number_of_updates_is_refused(total_steps):
    with pytest.raises(
        ArgumentError, match=r"Watcher\(total_steps=\.\.\.\) must be a whole number"
    ):
        Watcher("a", total_steps=total_steps)


def test_a_reading_of_a_million_rows_has_sixty_levels():
    n = 1_000_000
    observations = Observations(run="a", step=np.arange(n), columns={"loss": np.linspace(2, 1, n)})
    assert Reading(observations).levels.value.size == 60
