"""Several rates of a task: which parameters each is for, and what is refused."""

import pytest
import torch
from torch import nn

from learnrate import ArgumentError, Task
from learnrate.task import RateGroups

MODEL = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))


def groups_of(*lrs, names=()):
    """A task with a parameter group for each layer and for each bias, at given rates."""

    def optimizer(model):
        parameters = [model[0].weight, model[0].bias, model[1].weight, model[1].bias]
        groups = [{"params": [p], "lr": lr} for p, lr in zip(parameters, lrs, strict=True)]
        for group, name in zip(groups, names, strict=False):
            group["name"] = name
        return torch.optim.SGD(groups)

    return Task(model=lambda: MODEL, loss=nn.MSELoss(), data=[], optimizer=optimizer)


def two_optimizers(model):
    return [
        torch.optim.SGD([model[0].weight], lr=0.5),
        torch.optim.AdamW([{"params": [p]} for p in (model[0].bias, *model[1].parameters())]),
    ]


def rates_of(task):
    return [
        group["lr"] for optimizer in task.optimizers_of(MODEL) for group in optimizer.param_groups
    ]


def test_groups_of_one_rate_keep_their_ratio():
    task = groups_of(0.1, 0.2, 0.5, 0.5)
    groups = RateGroups.of(task, {"first": [0, 1], "second": [2, 3]}, MODEL)
    assert groups.lrs == (0.2, 0.5)
    assert rates_of(groups.task_at(task, (2.0, 3.0))) == [1.0, 2.0, 3.0, 3.0]
    assert rates_of(task) == [0.1, 0.2, 0.5, 0.5]


def test_optimizers_are_named_by_their_kind():
    task = Task(model=lambda: MODEL, loss=nn.MSELoss(), data=[], optimizer=two_optimizers)
    groups = RateGroups.of(task, "optimizers", MODEL)
    assert groups.names == ("SGD", "AdamW")
    assert rates_of(groups.task_at(task, (0.3, 0.01))) == [0.3, 0.01, 0.01, 0.01]


def test_patterns_split_a_group_and_the_first_that_fits_decides():
    task = Task(model=lambda: MODEL, loss=nn.MSELoss(), data=[], optimizer=torch.optim.AdamW)
    groups = RateGroups.of(task, "biases=*bias, first=0.*, rest=*", MODEL)
    (optimizer,) = groups.task_at(task, (1.0, 2.0, 3.0)).optimizers_of(MODEL)
    sizes = {
        group["lr"]: sorted(p.numel() for p in group["params"]) for group in optimizer.param_groups
    }
    assert sizes == {1.0: [1, 4], 2.0: [12], 3.0: [4]}
    assert len(task.optimizers_of(MODEL)[0].param_groups) == 1


def test_text_and_mapping_say_the_same():
    task = groups_of(0.1, 0.2, 0.5, 0.5)
    by_text = RateGroups.of(task, "first=0+1, second=2+3", MODEL)
    assert by_text == RateGroups.of(task, {"first": [0, 1], "second": [2, 3]}, MODEL)


def test_names_of_groups_are_used():
    task = groups_of(0.1, 0.1, 0.1, 0.1, names=("a", "b", "c", "d"))
    with pytest.raises(ArgumentError, match=r"rates must be 2 or 3 rates.*got 4"):
        RateGroups.of(task, "groups", MODEL)
    groups = RateGroups.of(task, {"x": [0, 1], "y": (2, 3)}, MODEL)
    assert groups.names == ("x", "y")


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ("layers", r"rates must be .groups., .optimizers., or"),
        ("a=", r"rates must be .groups., .optimizers., or"),
        ("optimizers", r"got 1\. Give the optimizer several parameter groups, or name parameters"),
        ({"a": 0, "b": "*"}, "of one kind for all rates"),
        ({"a": 0, "b": 7}, "'b' has parameter group 7, and the task has 4, numbered 0 to 3"),
        ({"a": [0, 1], "b": [1, 2, 3]}, "parameter group 1 has two rates, 'a' and 'b'"),
        ({"a": 0, "b": [1, 2]}, "parameter group 3 has no rate"),
        ({"a": "0.*", "b": "2.*"}, "no pattern fits the parameter '1.weight'"),
        ({"a": "*", "b": "*lora*"}, "the pattern '\\*lora\\*' of 'b' fits no parameter"),
        ({"a": 0, "b": []}, "rates must be"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(rates, message):
    with pytest.raises(ArgumentError, match=message):
        RateGroups.of(groups_of(0.1, 0.1, 0.1, 0.1), rates, MODEL)
