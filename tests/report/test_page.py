import dataclasses
import html
import re

import numpy as np
import pytest
import torch

from learnrate.report import findings_page, plan_page
from learnrate.watch import Observations, diagnose


def words_of(page):
    body = page[page.index("<body>") : page.index('<script type="application/json"')]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", body))


def test_the_page_says_the_answer_and_how_to_use_it(plan):
    page = words_of(plan_page(plan))
    for sentence in (
        "a tiny task",
        "0.0123peak learning rate",
        "With a probability of 80 % the best rate lies between 0.0071 and 0.031.",
        "verdict: ok",
        "50% of one run: 500 updates in a range test and 8 trials. The budget was 60%.",
        "0.0123 * warmup(50) &gt;&gt; linear(950)",
        "learnrate train TASK --plan plan.json",
        "The best rate was 0.04 at 20 updates and 0.03 at 80.",
        "Made by learnrate 9.9.9 with seed 3",
    ):
        assert sentence in page


def test_the_shell_command_can_be_given(plan):
    page = plan_page(plan, command="learnrate train a.py:t --plan 'x & y.json'")
    assert "learnrate train a.py:t --plan &#39;x &amp; y.json&#39;" in page


def test_the_drift_is_stated_for_each_doubling_of_the_horizon(plan):
    sentence = (
        "From the longest trials to the whole run, the best rate is expected to change from 0.03 to "
        "{}: each doubling of the length of training multiplies it by {}. The whole run is 12.5 times"
    )
    assert sentence.format("0.015", "0.82") in words_of(plan_page(plan))
    rising = dataclasses.replace(plan, low=0.06, high=0.24, peak=0.1)
    assert sentence.format("0.12", "1.46") in words_of(plan_page(rising))
    equal = dataclasses.replace(plan, low=0.015, high=0.06, peak=0.03)
    assert "is expected to stay the same" in words_of(plan_page(equal))


def test_the_snippet_of_the_page_keeps_the_ratio_of_parameter_groups(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (snippet,) = re.findall(
        r"<pre[^>]*>(?:<code>)?(import learnrate.*?)<", plan_page(plan), re.DOTALL
    )
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    optimizer = torch.optim.SGD(
        [{"params": [weights[0]], "lr": 0.1}, {"params": [weights[1]], "lr": 0.5}]
    )
    lines = html.unescape(snippet).splitlines()
    names = {"optimizer": optimizer, "loss": 1.0}
    exec("\n".join(lines[:2]), names)  # what the page tells a user to copy
    assert [group["lr"] for group in optimizer.param_groups] == [
        pytest.approx(plan.schedule(0) / 5),
        plan.schedule(0),
    ]
    optimizer.step()
    exec("\n".join(lines[2:]), names)
    assert optimizer.param_groups[1]["lr"] == plan.schedule(1)
    names["run"].finish()


def test_the_page_of_findings_counts_runs_with_an_error_and_rows_in_words():
    def page_of(*losses):
        observations = Observations(
            run="a", step=np.arange(len(losses)), columns={"loss": np.array(losses)}
        )
        return words_of(findings_page([(observations, diagnose(observations))]))

    assert "No finding is an error." in page_of(1.0)
    assert "Nothing found in 1 row." in page_of(1.0)
    assert "1 of 1 run has an error." in page_of(1.0, np.inf)


def test_every_trial_is_in_the_table_with_its_status(plan):
    page = plan_page(plan)
    table = page[page.index("Trials and their cost</caption>") : page.index("</main>")]
    assert table.count("<tr") == 1 + 2 + 2 + 8 + 1
    assert table.count(">diverged<") == 2
    assert table.count("(lowest)") == 2


def test_the_cost_of_the_range_test_is_what_the_trials_did_not_spend(plan):
    trials = sum(trial.updates for rung in plan.rungs for trial in rung.trials)
    assert f"<td>{500 - trials:,}</td>" in plan_page(plan)


def test_what_a_user_wrote_is_never_markup(hostile_plan):
    page = plan_page(hostile_plan)
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_data_of_the_page_has_no_character_that_could_end_its_element(hostile_plan):
    page = plan_page(hostile_plan)
    start = page.index('id="figures">') + len('id="figures">')
    island = page[start : page.index("</script>", start)]
    assert set("<>&") & set(island) == set()


def test_the_same_plan_gives_the_same_page(plan):
    assert plan_page(plan) == plan_page(plan)
