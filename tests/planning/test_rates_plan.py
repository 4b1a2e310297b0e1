"""Several rates planned together: near the best, within the budget, resumed, read, trained."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import learnrate
from learnrate import ArgumentError, FileError, Plan, Task
from learnrate._chart import describe
from learnrate.dashboard._folder import Folder
from learnrate.planning import JOURNAL_NAME, RatesPlan, read_plan
from learnrate.report import rates_plan_figures, rates_plan_page

STEEPNESS = 100.0


class TwoPoints(nn.Module):
    """Two points on quadratics, one of them a hundred times steeper."""

    def __init__(self):
        super().__init__()
        self.gentle, self.steep = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4))

    def forward(self, batch):
        gentle, steep = (self.gentle - batch).square(), (self.steep - batch).square()
        return (gentle.mean() + STEEPNESS * steep.mean()) / 2


UPDATES = []


def loss(model, batch):
    UPDATES.append(1)
    return model(batch)


def batches(seed):
    generator = torch.Generator().manual_seed(seed)
    return [0.1 * torch.randn(4, generator=generator) for _ in range(64)]


def optimizer(model):
    return torch.optim.SGD(
        [{"params": [model.gentle], "name": "gentle"}, {"params": [model.steep], "name": "steep"}],
        lr=0.01,
    )


TASK = Task(
    model=TwoPoints,
    loss=loss,
    data=batches,
    optimizer=optimizer,
    validate=lambda model: float(model(torch.zeros(4))) + 0.01,
    total_steps=200,
    name="two points",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("plan")


@pytest.fixture(scope="module")
def plan(folder):
    result = learnrate.plan(TASK, rates="groups", budget=1.0, out=folder, progress=False)
    result.write(folder / "plan.json")
    return result


def test_the_rates_end_below_every_common_rate(plan):
    ended = learnrate.train(plan.applied_to(TASK), plan.schedule, progress=False).curve.final
    common = [
        learnrate.train(TASK, f"{lr} * warmup(10) >> linear(190)", progress=False).curve.final
        for lr in (0.01, 0.02, 0.04)  # 0.04 is at the edge of stability of the steep point
    ]
    assert ended < min(common)


def test_each_rate_has_an_interval_and_a_range_and_they_share_one_schedule(plan):
    assert [rate.name for rate in plan.rates] == ["gentle", "steep"]
    for rate in plan.rates:
        assert rate.low <= rate.lr <= rate.high
        assert rate.tolerated_low <= rate.lr <= rate.tolerated_high
    assert sum(rate.share for rate in plan.rates) == pytest.approx(1.0)
    highest = max(plan.lrs.values())
    assert plan.schedule == learnrate.schedule(f"{highest} * warmup(10) >> linear(190)")
    tables = [schedule.table() for schedule in plan.group_schedules]
    assert np.allclose(tables[0] / highest, tables[1] / plan.lrs["steep"])


def test_the_budget_is_kept_and_every_trial_says_why(plan):
    assert 0 < plan.cost <= plan.budget <= 1.0
    assert sum(trial.updates for trial in plan.trials) < 200
    assert all(trial.reason for trial in plan.trials)
    assert "are chosen" in plan.reason


def test_made_again_in_its_folder_it_trains_nothing_and_says_the_same(plan, folder):
    UPDATES.clear()
    again = learnrate.plan(TASK, rates="groups", budget=1.0, out=folder, progress=False)
    assert again.to_dict() == plan.to_dict()
    assert len(UPDATES) <= 4  # the first batch, tried before anything else
    assert (folder / JOURNAL_NAME).exists()


def test_two_further_trials_are_made_on_top(plan, folder):
    further = learnrate.plan(TASK, rates="groups", budget=1.0, more=1, out=folder, progress=False)
    assert len(further.trials) == len(plan.trials) + 2
    assert further.cost == pytest.approx(plan.cost + plan.further.cost)


def test_it_is_read_as_it_was_written_and_a_plan_of_one_rate_is_told_apart(plan, folder):
    path = folder / "plan.json"
    assert read_plan(path) == plan
    with pytest.raises(FileError, match="not a plan"):
        Plan.read(path)
    document = json.loads(path.read_text())
    for key, value, message in (
        ("total_steps", 3, "schedule has 200 updates"),
        ("format_version", 9, "format version 9"),
        ("reason", 1, "reason"),
    ):
        edited = folder / "edited.json"
        edited.write_text(json.dumps({**document, key: value}))
        with pytest.raises(FileError, match=message):
            RatesPlan.read(edited)


def test_the_map_covers_what_was_tried_and_is_lowest_at_the_chosen_rates(plan):
    (shown,) = plan.maps
    excess = np.array(shown.excess)
    row, column = np.unravel_index(excess.argmin(), excess.shape)
    assert abs(math.log(shown.x_lrs[column] / plan.lrs[shown.x])) < 0.5
    assert abs(math.log(shown.y_lrs[row] / plan.lrs[shown.y])) < 0.5
    assert min(shown.x_lrs) < min(trial.lrs[0] for trial in plan.trials)
    assert len(describe(plan).panels) == 2


def test_a_plan_written_by_an_older_version_is_read_for_ever():
    path = Path(__file__).parents[1] / "written_by" / "0.1" / "rates_plan.json"
    plan = read_plan(path)
    assert plan.lrs == {"AdamW": 0.0434, "SGD": 0.922}
    assert json.loads(path.read_text()) == json.loads(json.dumps(plan.to_dict()))


def test_the_page_names_the_rates(plan):
    page = rates_plan_page(plan)
    assert all(name in page for name in ("gentle", "steep", '"heatmap"', "warmup(10)"))
    assert "rate of gentle</li>" in page
    assert "expected excess, 0 to over 30 %" in page
    assert "a trial that diverged" not in page


def test_the_map_of_the_page_has_the_intervals_and_no_bar_of_its_own(plan):
    *_, chosen = rates_plan_figures(plan)["map-1"]["data"]
    bars = chosen["error_x"]
    assert 0 < bars["arrayminus"][0] < chosen["x"][0]
    assert chosen["y"][0] + chosen["error_y"]["array"][0] <= max(plan.maps[0].y_lrs) * 1.5
    assert not rates_plan_figures(plan)["map-1"]["data"][0]["showscale"]


def test_the_dashboard_lists_it_with_its_rates_and_its_map(plan, tmp_path):
    plan.write(tmp_path / "plan.json")
    (document,) = Folder(tmp_path).documents()
    assert document.summary.kind == "plan"
    assert document.summary.summary.startswith("gentle ")
    assert "map-1" in document.figures
    assert "The map" in document.body


def test_other_rates_than_those_of_the_plan_are_not_taken_for_them(plan, folder):
    swapped = learnrate.plan(
        TASK, rates={"steep": 1, "gentle": 0}, budget=0.5, out=folder, progress=False
    )
    assert [rate.name for rate in swapped.rates] == ["steep", "gentle"]
    assert swapped.lrs["gentle"] > swapped.lrs["steep"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"rates": "groups", "compare_shapes": True, "total_steps": 400},
            "compare_shapes works for a plan of one rate",
        ),
        ({"rates": "optimizers"}, "rates must be 2 or 3 rates"),
        ({"rates": "groups", "budget": 0.05}, "a plan needs at least"),
    ],
)
def test_what_cannot_be_planned_is_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        learnrate.plan(TASK, progress=False, **arguments)
