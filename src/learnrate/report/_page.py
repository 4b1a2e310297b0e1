"""One self-contained HTML page for a plan: the answer first, then the evidence, stage by stage."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from learnrate._axes import rate_text
from learnrate.report import _words as words
from learnrate.report._figures import plan_figures
from learnrate.report._shell import copyable, figure, key_of, whole_page
from learnrate.report._tables import rules_table, trials_table

if TYPE_CHECKING:
    from learnrate.planning import Plan

__all__ = ["plan_body", "plan_page", "range_test_body"]

_COMMAND = "learnrate train TASK --plan plan.json"


def plan_page(plan: Plan, *, command: str = _COMMAND) -> str:
    """The report of a plan as one HTML file: it loads nothing, so it can be kept and sent.

    Args:
        plan: what to show.
        command: the shell command that trains with it.
    """
    return whole_page(
        title=f"{plan.task}: peak {rate_text(plan.peak)} (learnrate plan)",
        body=plan_body(plan, command=command),
        figures=plan_figures(plan),
    )


def plan_body(plan: Plan, *, command: str = _COMMAND) -> str:
    """The report of a plan as HTML without what a page has around it, for a page of another kind."""
    return _header(plan, command) + _main(plan) + _footer(plan)


def range_test_body(name: str, found: dict[str, Any]) -> str:
    """A range test as HTML, from what `RangeTest.to_dict` gave; its figure is `range-test`."""
    text = words.about_rising_rate(found)
    answer = found["suggestion"]
    shown = "no suggestion" if answer is None else rate_text(answer)
    key = _CURVE_KEY + ("" if found["diverged_at"] is None else _DIVERGED_AT)
    return f"""<header><p class="over">learnrate find</p><h1>{escape(name)}</h1></header>
<main>
<p class="peak">{escape(shown)}<small>a first look; a plan answers for a whole run</small></p>
<p>{escape(str(found["reason"]))}</p>
<h2>The curve</h2>
<p>{escape(text)}</p>
{figure("range-test", text, key)}
<h2>What the rules of the field read off it</h2>
{rules_table(found["rules"], answer, "the suggestion")}
</main>
"""


def _header(plan: Plan, command: str) -> str:
    verdict = escape(str(plan.verdict))
    return f"""<a class="skip" href="#evidence">Skip to the evidence</a>
<header>
<p class="over">learnrate plan</p>
<h1>{escape(plan.task)}</h1>
<div class="answer">
<section aria-labelledby="answer">
<h2 id="answer">The answer</h2>
<p class="peak">{rate_text(plan.peak)}<small>peak learning rate</small></p>
<p>{escape(words.about_interval(plan))}</p>
<p><strong class="verdict verdict-{verdict}">verdict: {verdict}</strong>
{escape(words.about_verdict(plan))}</p>
<p>Cost: {escape(words.about_cost(plan))}</p>
</section>
<section aria-labelledby="use">
<h2 id="use">How to use it</h2>
{copyable("Schedule", str(plan.schedule))}
{copyable("Python, in your own training loop", _snippet(plan))}
{copyable("Shell (TASK as given to learnrate plan)", command)}
</section>
</div>
</header>
"""


def _snippet(plan: Plan) -> str:
    return (
        "from learnrate.schedules import schedule\n"
        f'lr = schedule("{plan.schedule}")\n'
        "for group in optimizer.param_groups:\n"
        '    group["lr"] = lr(step)  # before each optimizer.step()'
    )


def _main(plan: Plan) -> str:
    return f"""<main id="evidence">
<h2>What was decided, and why</h2>
<p class="reason">{escape(plan.reason)}</p>
{_range_test(plan)}
{_rungs(plan)}
<h2>3. Extrapolation: from short trials to the whole run</h2>
<p>{escape(words.about_drift(plan))} {escape(words.about_chosen(plan))}</p>
{figure("extrapolation", words.about_drift(plan), _EXTRAPOLATION_KEY)}
<h2>4. Schedule</h2>
<p>{escape(words.about_schedule(plan))}</p>
{figure("schedule", words.about_schedule(plan), "")}
<h2>Cost, trial by trial</h2>
{trials_table(plan)}
</main>
"""


def _range_test(plan: Plan) -> str:
    text = words.about_range_test(plan)
    key = _RANGE_TEST_KEY + ("" if plan.range_test["diverged_at"] is None else _DIVERGED_AT)
    return f"""<h2>1. Range test: a first look</h2>
<p>{escape(text)}</p>
{figure("range-test", text, key)}
<details>
<summary>What the rules of the field read off this curve</summary>
{rules_table(plan.range_test["rules"], plan.peak, "the chosen peak")}
</details>"""


def _rungs(plan: Plan) -> str:
    cards = "\n".join(
        f"""<article>
<h3>Rung {index}: {rung.steps:,} updates</h3>
<p>{escape(words.about_rung(rung))}</p>
{figure(f"rung-{index}", words.about_rung(rung), "")}
</article>"""
        for index, rung in enumerate(plan.rungs, 1)
    )
    diverged = any(trial.loss is None for rung in plan.rungs for trial in rung.trials)
    key = _RUNG_KEY + (_DIVERGED if diverged else "")
    return f"""<h2>2. Rungs: short trials, each a whole training in small</h2>
<p>A trial warms up as long as the real run (at most 30 % of its updates), decays like it, only faster,
and is judged by its final loss.
The curve is what all trials together say the loss does as the rate changes.</p>
<div class="rungs">
{cards}
</div>
{key_of(key)}"""


_DIVERGED_AT = '<li><i class="diverged" aria-hidden="true">┊</i>diverged</li>'
_DIVERGED = '<li><i class="diverged" aria-hidden="true">&times;</i>diverged</li>'
_CURVE_KEY = '<li><i class="measured" aria-hidden="true">━</i>training loss, smooth</li>'
_RANGE_TEST_KEY = _CURVE_KEY + (
    '<li><i class="tried" aria-hidden="true">&nbsp;</i>the rates tried next</li>'
)
_RUNG_KEY = (
    '<li><i class="measured" aria-hidden="true">●</i>a trial</li>'
    '<li><i class="measured" aria-hidden="true">━</i>fit</li>'
    '<li><i class="best" aria-hidden="true">┃</i>best rate</li>'
    '<li><i class="span" aria-hidden="true">&nbsp;</i>its 80 % interval</li>'
)
_EXTRAPOLATION_KEY = (
    '<li><i class="best" aria-hidden="true">◆</i>best rate of a rung</li>'
    '<li><i class="span" aria-hidden="true">&nbsp;</i>80 % interval</li>'
    '<li><i class="chosen" aria-hidden="true">★</i>chosen peak for the whole run</li>'
)


def _footer(plan: Plan) -> str:
    return (
        f"<footer>Made by learnrate {escape(plan.version)} with seed {plan.seed}; "
        "the same seed gives the same plan.</footer>\n"
    )
