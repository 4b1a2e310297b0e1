import io
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from rich.console import Console

from learnrate._chart import Axis, Panel, Polyline
from learnrate.report import show_curve, show_plan, show_range_test, show_scaled, show_schedules
from learnrate.report._text_plot import show_plot
from learnrate.scaling import fit
from learnrate.schedules import schedule
from learnrate.trials import Curve, Status

WIDTHS = pytest.mark.parametrize("width", [60, 120])


def printed(show, *arguments, width=100, encoding="utf-8", **options):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    show(Console(file=file, width=width), *arguments, **options)
    file.flush()
    return raw.getvalue().decode(encoding)


def joined(text):
    return " ".join(text.replace("│", " ").replace("|", " ").split())


def curve_of(losses, status=Status.FINISHED, **options):
    losses = np.array(losses)
    values = {"validation": 0.25, "seconds": 1.0} | options
    return Curve(lr=np.full(len(losses), 0.1), loss=losses, status=status, **values)


@WIDTHS
def test_a_plan_shows_its_figures_at_any_width(plan, width):
    text = printed(show_plan, plan, width=width, command="learnrate train TASK")
    for figure in ("0.0123", "0.0071 to 0.031", "0.0071 .. 0.031", "0.027 .. 0.06", "1,000"):
        assert figure in joined(text)
    assert "4, 1 diverged" in text
    assert "next learnrate train TASK" in joined(text)
    assert max(len(line) for line in text.splitlines()) <= width


@WIDTHS
def test_a_range_test_shows_its_suggestion_and_rules_at_any_width(range_test, width):
    text = printed(show_range_test, range_test, width=width)
    assert f"{range_test.suggestion:.2g}" in text
    assert all(name in text for name in range_test.rules)
    assert "a third of their geometric mean" in joined(text)
    assert max(len(line) for line in text.splitlines()) <= width


def test_a_refused_range_test_says_why(flat_test):
    assert f"no suggestion: {flat_test.reason}" in joined(printed(show_range_test, flat_test))


@WIDTHS
def test_schedules_show_first_peak_and_last_rate_at_any_width(width):
    bound = schedule("0.001 * warmup(10) >> linear(90)")
    text = printed(show_schedules, [(str(bound), bound.table()), ("flat", [0.5])], width=width)
    assert "0.001" in text
    assert "flat" in text
    assert max(len(line) for line in text.splitlines()) <= width


@WIDTHS
def test_a_training_shows_how_it_ended_at_any_width(width):
    text = printed(show_curve, curve_of(np.linspace(2, 1, 200)), "0.1", width=width)
    assert all(word in text for word in ("finished", "200", "0.25"))
    assert max(len(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, 1.0], [1.0, np.nan], [2.0, 1.0, np.inf]])
def test_a_training_of_any_length_can_be_shown(losses):
    curve = curve_of(losses, Status.FAILED, validation=None, error="RuntimeError: [broken]")
    assert "RuntimeError: [broken]" in printed(show_curve, curve)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_poor_encoding_gets_plain_characters(plan, hostile_plan, range_test, encoding):
    for text in (
        printed(show_plan, plan, encoding=encoding),
        printed(show_plan, hostile_plan, encoding=encoding),
        printed(show_range_test, range_test, encoding=encoding),
        printed(show_schedules, [("é", [0.1, 0.2])], encoding=encoding),
        printed(show_curve, curve_of([2.0, 1.0]), encoding=encoding),
    ):
        assert "\x1b" not in text


def test_markup_in_a_task_name_is_printed_as_it_is(hostile_plan):
    assert "<script>alert(1)</script>" in printed(show_plan, hostile_plan)


def test_no_color_is_obeyed_on_a_terminal(plan, range_test, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True)
    show_plan(console, plan)
    show_range_test(console, range_test)
    assert "\x1b[3" not in file.getvalue().replace("\x1b[3m", "")


def test_importing_the_reports_loads_nothing_to_draw_with():
    heavy = "{'rich', 'plotext', 'plotly', 'matplotlib', 'torch', 'jinja2'}"
    code = f"import sys, learnrate.report; sys.exit(str({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert done.stderr.strip() == "set()"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@WIDTHS
def test_a_scaled_rate_shows_its_exponents_and_verdict_at_any_width(width, encoding):
    runs = {"lr": [], "loss": [], "B": []}
    for batch in (16, 32, 64, 128):
        for lr in (0.01, 0.02, 0.04, 0.08, 0.16):
            runs["lr"].append(lr)
            runs["loss"].append(1 + np.log(lr / (0.005 * batch**0.5)) ** 2)
            runs["B"].append(batch)
    fitted = fit(runs, progress=False, resamples=0)
    scaled = fitted.predict(B=1e5)
    text = printed(show_scaled, fitted, scaled, width=width, encoding=encoding)
    assert "16 .. 128" in joined(text)
    assert "1e5" in text
    assert "+0.49" in text
    assert f"verdict weak {scaled.reason}" in joined(text)
    assert max(len(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("height", [9, 14])
@pytest.mark.parametrize("low", [0.105775, 0.240986, 0.0, 0.38])
@pytest.mark.parametrize("high", [0.5, 2.299725, 2.402, 7.0])
def test_each_number_on_the_y_axis_of_a_plot_is_a_round_one_of_its_range(height, low, high):
    line = Polyline(x=np.arange(50), y=np.linspace(high, low, 50), colour=0)
    panel = Panel(x=Axis(label="step"), y=Axis(label="loss"), marks=(line,))
    output = printed(show_plot, panel, height=height)
    numbers = [float(row.split("┤")[0]) for row in output.splitlines() if "┤" in row]
    assert len(numbers) > 1
    assert all(low <= number <= high for number in numbers)
    steps = {round(upper - lower, 9) for upper, lower in pairwise(numbers)}
    assert len(steps) == 1
    assert f"{steps.pop():.0e}"[0] in "125"
    if high in (0.5, 7.0) and low == 0.0:
        assert low in numbers
