import sys

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

from matplotlib import pyplot as plt  # noqa: E402 - after the backend is chosen

from learnrate import MissingExtraError  # noqa: E402
from learnrate._axes import draw_schedules, rows_apart  # noqa: E402
from learnrate.range_test import RangeTest  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def labels_of(axes):
    return axes.get_legend_handles_labels()[1]


def test_a_range_test_shows_each_repeat_the_mean_the_band_and_its_marks(range_test):
    axes = range_test.plot()
    marks = [text.get_text().split()[0] for text in axes.texts]
    answered = [name for name, lr in range_test.rules.items() if lr is not None]
    assert sorted(marks) == sorted([*answered, "suggestion", "diverged"])
    assert len(axes.lines) == 3 + 1 + len(marks)
    assert len(axes.collections) == 1
    assert axes.get_xscale() == "log"


def test_labels_of_a_range_test_do_not_overlap(range_test):
    axes = range_test.plot()
    axes.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    overlaps = [
        (i, j)
        for i in range(len(boxes))
        for j in range(i)
        if boxes[i].padded(-1).overlaps(boxes[j].padded(-1))
    ]
    assert overlaps == []


def test_a_refused_test_shows_its_reason_and_no_marks(flat_test):
    axes = flat_test.plot()
    title = " ".join(axes.get_title(loc="left").split())
    assert title == f"Range test, refused: {flat_test.reason}"
    assert len(axes.texts) == 0


def test_a_test_that_was_never_finite_can_be_drawn():
    lost = RangeTest(np.geomspace(1e-6, 1, 40), np.full((2, 40), np.nan), "exponential", 0, 0.9)
    axes = lost.plot()
    assert axes.get_title(loc="left").startswith("Range test, refused")


def test_a_linear_test_has_a_linear_axis():
    lr = np.linspace(1e-3, 1.0, 80)
    falling = 2.0 - 1.5 * lr + 0.001 * np.random.default_rng(0).normal(size=(2, 80))
    axes = RangeTest(lr, falling, "linear", 0, 0.5).plot()
    assert axes.get_xscale() == "linear"


def test_the_axes_given_are_the_axes_drawn_on(range_test):
    axes = plt.figure().add_subplot()
    assert range_test.plot(axes) is axes


def test_a_plan_has_three_panels_with_every_rung_and_the_peak(plan):
    rungs, extrapolation, schedule = plan.plot().axes
    assert sorted(labels_of(rungs)) == [
        "20 updates",
        "80 updates",
        "best rate, 80 % interval",
        "diverged",
    ]
    assert "chosen peak" in labels_of(extrapolation)
    assert [text.get_text() for text in extrapolation.texts] == ["peak 0.0123"]
    assert schedule.get_title(loc="left") == str(plan.schedule)
    assert len(schedule.lines[0].get_xdata()) == plan.total_steps


def test_schedules_are_drawn_by_label_one_line_each():
    axes = draw_schedules([("a", [0.0, 1.0, 0.5]), ("b", np.array([1.0, 0.5]))])
    assert labels_of(axes) == ["a", "b"]
    assert [len(line.get_ydata()) for line in axes.lines] == [3, 2]


def test_labels_take_the_lowest_row_with_room():
    assert rows_apart([0, 3, 4, 20], [2, 2, 2, 2], gap=1) == [0, 1, 2, 0]


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'learnrate\[plot\]'"):
        draw_schedules([("a", [1.0])])
