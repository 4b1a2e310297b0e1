import dataclasses
import re

from learnrate.report import plan_page


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


def test_the_drift_is_said_for_each_doubling_of_the_horizon(plan):
    assert (
        "Beyond the longest trials, the best rate is expected to change as horizon^-0.21: each "
        "doubling of the length of training multiplies it by 0.86."
    ) in words_of(plan_page(plan))
    rising = dataclasses.replace(plan, drift=0.5)
    assert "horizon^0.50: each doubling of the length of training multiplies it by 1.41." in (
        words_of(plan_page(rising))
    )


def test_every_trial_is_in_the_table_with_its_status(plan):
    page = plan_page(plan)
    table = page[page.index("Trials and what they cost</caption>") : page.index("</main>")]
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


def test_the_island_of_data_has_no_character_that_could_end_it(hostile_plan):
    page = plan_page(hostile_plan)
    start = page.index('id="figures">') + len('id="figures">')
    island = page[start : page.index("</script>", start)]
    assert set("<>&") & set(island) == set()


def test_the_same_plan_gives_the_same_page(plan):
    assert plan_page(plan) == plan_page(plan)
