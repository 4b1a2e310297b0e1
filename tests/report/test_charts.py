"""A chart is described once; matplotlib and plotly draw the same marks from it."""

import numpy as np
import pytest

from learnrate._chart import Colour, Panel, Polyline, describe, thinned
from learnrate.planning import plan_panels
from learnrate.report._plotly import line_style, plotly_figure

plt = pytest.importorskip("matplotlib.pyplot")

from learnrate._axes import draw_panel  # noqa: E402 - needs matplotlib
from learnrate._axes_style import COLOURS  # noqa: E402 - needs matplotlib
from learnrate.report._theme import DARK, LIGHT  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def matplotlib_lines(panel):
    axes = draw_panel(panel)
    return [
        (np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float))
        for line in axes.lines
        if line.get_transform() == axes.transData and len(line.get_xdata()) > 0
    ]


@pytest.mark.parametrize("name", ["rung-1", "extrapolation", "schedule"])
def test_every_line_on_a_page_is_drawn_in_a_notebook_too(plan, name):
    panel = plan_panels(plan)[name]
    drawn = matplotlib_lines(panel)
    for trace in plotly_figure(panel)["data"]:
        if trace["mode"] != "lines" or trace["line"]["width"] == 0:
            continue
        assert any(
            len(x) == len(trace["x"]) and np.allclose(x, trace["x"]) and np.allclose(y, trace["y"])
            for x, y in drawn
        )


@pytest.mark.parametrize("name", ["rung-1", "extrapolation", "schedule"])
def test_both_drawers_show_the_same_part_of_an_axis(plan, name):
    panel = plan_panels(plan)[name]
    axes = draw_panel(panel)
    for name_of_axis, limits in (("xaxis", axes.get_xlim()), ("yaxis", axes.get_ylim())):
        layout = plotly_figure(panel)["layout"][name_of_axis]
        shown = 10.0 ** np.array(layout["range"]) if "type" in layout else layout["range"]
        if name_of_axis == "xaxis" or not any(getattr(m, "label", "") for m in panel.marks):
            assert np.allclose(shown, limits)
        else:  # matplotlib makes room for labels at the top
            assert np.isclose(shown[0], limits[0])


def test_every_role_has_a_colour_in_each_drawer():
    assert set(COLOURS) == set(Colour)
    for theme in (LIGHT, DARK):
        assert {str(role) for role in Colour} <= theme.keys()
        assert {str(line_style(number)[0]) for number in range(8)} <= theme.keys()


def test_a_thinned_line_keeps_its_extremes_and_its_order():
    y = np.random.default_rng(0).normal(size=5000)
    x, values = thinned(np.arange(5000), y, 1000)
    assert len(x) <= 1000
    assert (np.diff(x) > 0).all()
    assert (values.min(), values.max()) == (y.min(), y.max())
    assert np.array_equal(values, y[x.astype(int)])


def test_a_value_that_no_package_describes_has_no_chart():
    with pytest.raises(TypeError, match="no chart is described for str"):
        describe("plan")


def test_a_plan_is_described_without_a_plotting_library(plan):
    panels = describe(plan).panels
    assert all(isinstance(panel, Panel) for panel in panels)
    assert any(isinstance(mark, Polyline) for mark in panels[0].marks)


def test_the_figure_of_a_plan_shows_every_panel(plan):
    titles = [axes.get_title(loc="left") for axes in plan.plot().axes]
    assert [panel.title for panel in describe(plan).panels] == titles
