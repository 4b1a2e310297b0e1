"""Results as self-contained HTML pages, and as tables and plots in the terminal.

Importing this package loads none of plotly, Jinja2, rich and plotext; showing something does.
"""

from __future__ import annotations

from learnrate.report._claims import interval_text, leading_text, show_claim, show_claims
from learnrate.report._comparison import show_comparison
from learnrate.report._findings import findings_page, list_findings, show_findings
from learnrate.report._forecast import show_forecast
from learnrate.report._meta import show_meta_sweep, show_meta_trained, show_theory
from learnrate.report._pages import (
    plan_body,
    plan_figures,
    plan_page,
    range_test_body,
    range_test_figure,
    schedules_page,
)
from learnrate.report._rates import (
    rates_plan_body,
    rates_plan_figures,
    rates_plan_page,
    show_rates_plan,
    show_rates_sweep,
)
from learnrate.report._runs import show_run, show_runs
from learnrate.report._scaled import show_scaled
from learnrate.report._sweep import show_sweep
from learnrate.report._terminal import show_curve, show_plan, show_range_test, show_schedules
from learnrate.report._theme import DARK, LIGHT, variables
from learnrate.report._transfer import (
    show_coordinate_check,
    show_parameter_rows,
    show_width_sweeps,
)

__all__ = [
    "DARK",
    "LIGHT",
    "findings_page",
    "interval_text",
    "leading_text",
    "list_findings",
    "plan_body",
    "plan_figures",
    "plan_page",
    "range_test_body",
    "range_test_figure",
    "rates_plan_body",
    "rates_plan_figures",
    "rates_plan_page",
    "schedules_page",
    "show_claim",
    "show_claims",
    "show_comparison",
    "show_coordinate_check",
    "show_curve",
    "show_findings",
    "show_forecast",
    "show_meta_sweep",
    "show_meta_trained",
    "show_parameter_rows",
    "show_plan",
    "show_range_test",
    "show_rates_plan",
    "show_rates_sweep",
    "show_run",
    "show_runs",
    "show_scaled",
    "show_schedules",
    "show_sweep",
    "show_theory",
    "show_width_sweeps",
    "variables",
]
