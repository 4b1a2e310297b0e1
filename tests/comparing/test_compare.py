"""The runs of a comparison: equal cost, equal starts, resumed, recorded, and nothing changed."""

import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch

import learnrate
from learnrate import ArgumentError, MissingExtraError, TaskError
from learnrate.comparing import TUNING_FREE, Standing, TuningFree, compare
from learnrate.testing import quadratic_task

PLAIN = TuningFree(
    name="plain",
    package="torch",
    module="torch.optim",
    adam="Adam",
    sgd="SGD",
    shape="constant()",
    lr={"SGD": 0.05, "Adam": 0.01},
    source="none",
)
TASK = quadratic_task(dim=2, total_steps=120)
SHORT = {"seeds": 2, "progress": False}


@pytest.fixture(autouse=True)
def optimizers(monkeypatch):
    """Optimizers of torch in place of those of other packages."""
    registry = [
        PLAIN,
        replace(PLAIN, name="wild", lr={"SGD": 1e6}),
        replace(PLAIN, name="sparse", sgd="SparseAdam", lr={"SparseAdam": 0.1}),
        replace(PLAIN, name="absent", package="no-such-package", module="no_such_package"),
    ]
    monkeypatch.setattr("learnrate.comparing._compare.TUNING_FREE", {o.name: o for o in registry})


def test_every_method_makes_the_updates_of_the_plan_and_its_run():
    result = compare(TASK, optimizers=["plain"], **SHORT)
    plans = [
        learnrate.plan(TASK, budget=0.5, seed=run.seed, progress=False)
        for run in result.planned.runs
    ]
    expected = [round((1 + plan.cost) * 120) for plan in plans]
    assert [run.updates for run in result.planned.runs] == expected
    assert [run.updates for run in result.others[0].runs] == expected
    assert [run.peak for run in result.planned.runs] == [plan.peak for plan in plans]
    trained = learnrate.train(TASK, plans[0].schedule, seed=0, progress=False)
    assert result.planned.runs[0].loss == trained.curve.final


def test_runs_of_one_seed_begin_alike_and_are_recorded(tmp_path):
    result = compare(TASK, optimizers=["plain"], store=tmp_path / "a.db", **SHORT)
    store = learnrate.Store(tmp_path / "a.db")
    for planned, other in zip(result.planned.runs, result.others[0].runs, strict=True):
        first, second = (store.observations(run.run).column("loss")[0] for run in (planned, other))
        assert first == second


def test_a_comparison_made_again_trains_nothing_and_has_the_same_result(tmp_path):
    calls = []

    def loss(model, batch):
        calls.append(1)
        return TASK.loss(model, batch)

    task = replace(TASK, loss=loss)
    first = compare(task, optimizers=["plain"], out=tmp_path, **SHORT)
    first_calls, calls[:] = len(calls), []
    again = compare(task, optimizers=["plain"], out=tmp_path, **SHORT)
    assert again.differences == first.differences
    assert len(calls) < first_calls / 20  # each method tries one batch


def test_a_run_that_diverges_or_fails_is_reported_and_the_others_continue():
    result = compare(TASK, optimizers=["wild", "sparse", "plain"], **SHORT)
    standing = {difference.name: difference for difference in result.differences}
    assert standing["wild"].reason.startswith("2 of 2 runs of wild diverged")
    assert "SparseAdam does not support dense gradients" in standing["sparse"].reason
    assert standing["plain"].standing is not Standing.UNFINISHED


def test_an_optimizer_that_is_not_installed_is_left_out_unless_named():
    result = compare(replace(TASK, total_steps=60), **SHORT)
    assert "pip install 'learnrate[compare]'" in result.left_out["absent"]
    assert [other.name for other in result.others] == ["plain", "wild", "sparse"]
    with pytest.raises(MissingExtraError, match="no-such-package"):
        compare(TASK, optimizers=["absent"], **SHORT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 1}, "seeds=.*at least 2|seeds=.*from 2"),
        ({"optimizers": ["plian"]}, "optimizers must be some of plain.*'plian'"),
        ({"optimizers": []}, "got none"),
        ({"budget": 2.0}, "budget must be a share"),
        ({"budget": True}, "budget must be a share"),
        ({"confidence": 1.0}, "confidence"),
        ({"total_steps": 0}, "total_steps"),
    ],
)
def test_arguments_outside_their_rule_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        compare(TASK, **{**SHORT, **options})


def test_a_task_with_several_optimizers_is_refused():
    def two(model):
        return [torch.optim.SGD(model.parameters(), lr=0.1) for _ in range(2)]

    with pytest.raises(TaskError, match="one optimizer"):
        compare(replace(TASK, optimizer=two), **SHORT)


# The optimizers themselves


def network():
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1)
    )


def decayed(kind):
    """An optimizer that decays matrices alone."""

    def optimizer(model):
        parameters = list(model.parameters())
        matrices = [parameter for parameter in parameters if parameter.dim() > 1]
        others = [parameter for parameter in parameters if parameter.dim() < 2]
        groups = [
            {"params": matrices, "weight_decay": 0.3},
            {"params": others, "weight_decay": 0.0},
        ]
        return kind(groups, lr=0.1)

    return optimizer


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("name", TUNING_FREE)
@pytest.mark.filterwarnings("ignore::UserWarning")  # MoMo's, of several groups
def test_each_trains_a_task_with_its_groups_and_weight_decay(name, kind):
    tuning_free = TUNING_FREE[name]
    pytest.importorskip(tuning_free.module)
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
    task = learnrate.Task(
        model=network,
        loss=torch.nn.MSELoss(),
        data=[(x, x.sum(1, keepdim=True))],
        optimizer=decayed(kind),
        validate=lambda model: float(model(x).square().mean()),
        total_steps=40,
    )
    changed = replace(task, optimizer=tuning_free.for_task(task, 40))
    groups = changed.optimizer_of(changed.model()).param_groups
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0]
    assert [len(group["params"]) for group in groups] == [2, 4]
    lr = tuning_free.lr[tuning_free.class_name(sgd=kind is torch.optim.SGD)]
    schedule = (lr * learnrate.schedule(tuning_free.shape)).over(40)
    curve = learnrate.train(changed, schedule, progress=False).curve
    assert curve.error == ""
    assert curve.status in {"finished", "diverged"}  # schedule-free SGD, at its rate of 1
    assert curve.loss[-1] != curve.loss[0]


def frozen_below():
    model = network()
    model[0].requires_grad_(requires_grad=False)
    return model


@pytest.mark.parametrize("name", TUNING_FREE)
def test_each_trains_a_model_with_frozen_weights_and_leaves_these_alone(name):
    tuning_free = TUNING_FREE[name]
    pytest.importorskip(tuning_free.module)
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
    task = learnrate.Task(
        model=frozen_below,
        loss=torch.nn.MSELoss(),
        data=[(x, x.sum(1, keepdim=True))],
        optimizer=lambda model: torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1),
        validate=lambda model: float(model(x).square().mean()),
        total_steps=20,
    )
    changed = replace(task, optimizer=tuning_free.for_task(task, 20))
    (group,) = changed.optimizer_of(changed.model()).param_groups
    assert [parameter.requires_grad for parameter in group["params"]] == [True] * 4
    schedule = tuning_free.lr[tuning_free.class_name(sgd=False)] * learnrate.schedule("constant()")
    trained = learnrate.train(changed, schedule.over(20), progress=False)
    assert trained.curve.error == ""
    assert trained.curve.loss[-1] != trained.curve.loss[0]


class Average:
    """The mean of the weights after each update, of which `dog` has another one."""

    def __init__(self, model):
        self.base_model, self.averaged_model = model, torch.nn.Linear(2, 2)
        self.averaged_model.load_state_dict(model.state_dict())
        self._steps = 0

    def step(self):
        self._steps += 1
        pairs = zip(self.averaged_model.parameters(), self.base_model.parameters(), strict=True)
        for average, weight in pairs:
            average.lerp_(weight, 1 / self._steps)


@pytest.fixture
def averaging():
    module = ModuleType("averaging")
    module.SGD, module.PolynomialDecayAverager = torch.optim.SGD, Average
    sys.modules["averaging"] = module
    yield replace(PLAIN, name="averaged", module="averaging", averages=True)
    del sys.modules["averaging"]


def test_an_averaging_optimizer_is_judged_by_its_average_and_continues_unchanged(averaging):
    model = torch.nn.Linear(2, 2)
    optimizer = averaging.make(model, sgd=True, total_steps=4)
    visited = []
    for _ in range(4):
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        visited.append(model.weight.detach().clone())
    for _ in range(2):  # twice: a repeated switch changes nothing
        optimizer.eval()
    torch.testing.assert_close(model.weight.detach(), torch.stack(visited).mean(0))
    for _ in range(2):
        optimizer.train()
    assert torch.equal(model.weight, visited[-1])
