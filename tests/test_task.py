"""Tasks: what they are made of, how they are loaded, and what is refused."""

import functools
import pydoc

import pytest
import torch
from torch import nn

import learnrate
from learnrate import ArgumentError, Task, TaskError, load_task

DATA = [(torch.zeros(2, 3), torch.zeros(2, 1))]


def make(**changes):
    return Task(**({"model": nn.Linear(3, 1), "loss": nn.MSELoss(), "data": DATA} | changes))


def test_the_optimizer_is_adamw_unless_another_is_given():
    model = nn.Linear(3, 1)
    assert type(make().optimizer_of(model)) is torch.optim.AdamW


@pytest.mark.parametrize(
    "optimizer",
    [
        torch.optim.SGD,
        functools.partial(torch.optim.SGD, lr=0.1),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
    ],
)
def test_an_optimizer_is_a_class_a_partial_of_one_or_a_function_of_the_model(optimizer):
    actual = make(optimizer=optimizer).optimizer_of(nn.Linear(3, 1))
    assert type(actual) is torch.optim.SGD


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": 3}, r"Task\(model=...\) must be a module or a function making one; got 3"),
        ({"loss": "mse"}, r"Task\(loss=...\) must be a criterion module or loss"),
        ({"data": 5}, r"Task\(data=...\) must be a DataLoader, an iterable"),
        ({"optimizer": "adam"}, r"Task\(optimizer=...\) must be an optimizer class"),
        ({"optimizer": torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1)}, "lambda model"),
        (
            {"optimizer": torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1)},
            r"lr=0.1\); got an SGD\.$",
        ),
        ({"clip_norm": torch.ones(2, 2)}, r"or None for no clipping; got a Tensor\.$"),
        (
            {"data": lambda: DATA},
            r"Task\(data=...\) must be an iterable, or a function that takes a seed",
        ),
        (
            {"validate": lambda: 0.1},
            r"Task\(validate=...\) must be .* takes the model and nothing",
        ),
        ({"validate": lambda model, data: 0.1}, "takes the model and nothing else"),
        ({"validate": 0.1}, r"Task\(validate=...\) must be a function of the model"),
        (
            {"total_steps": 0},
            r"Task\(total_steps=...\) must be a whole number of at least 1; got 0",
        ),
        ({"total_steps": 2.5}, "must be a whole number of at least 1; got 2.5"),
        ({"total_steps": "60"}, "must be a whole number of at least 1; got '60'"),
        ({"clip_norm": 0.0}, r"Task\(clip_norm=...\) must be a finite number above 0"),
        ({"clip_norm": "1"}, r"Task\(clip_norm=...\) must be a finite number above 0.*got '1'"),
        ({"accumulate": 0}, r"Task\(accumulate=...\) must be a whole number of at least 1; got 0"),
        ({"amp": "fp8"}, r"Task\(amp=...\) must be 'bfloat16', 'float16' or None; got 'fp8'"),
    ],
)
def test_a_bad_field_is_named_with_its_rule_and_value(changes, message):
    with pytest.raises(ArgumentError, match=message):
        make(**changes)


TASK_FILE = """
import torch, learnrate
from helper import LR
def make():
    return learnrate.Task(model=torch.nn.Linear(3, 1), loss=torch.nn.MSELoss(),
                          data=[(torch.zeros(2, 3), torch.zeros(2, 1))], total_steps=7)
task = make()
named = learnrate.Task(model=torch.nn.Linear(3, 1), loss=torch.nn.MSELoss(), data=[1], name="mine")
number = 3
def broken():
    raise RuntimeError("no data set here")
def needs_width(width, depth=2, *others, **options):
    return task
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)  # undone after the test, with what loading adds
    (tmp_path / "helper.py").write_text("LR = 0.1\n")
    path = tmp_path / "my_task.py"
    path.write_text(TASK_FILE)
    return path


@pytest.mark.parametrize("name", ["task", "make"])
def test_a_task_is_loaded_from_a_file_by_the_name_of_a_value_or_a_function(file, name):
    task = load_task(f"{file}:{name}")
    assert (task.total_steps, task.name) == (7, f"{file}:{name}")


def test_a_name_that_was_given_is_kept(file):
    assert load_task(f"{file}:named").name == "mine"


def test_a_task_is_loaded_from_a_module(file):
    assert load_task("my_task:task").total_steps == 7


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("task.py", r"TASK must be file\.py:name or module:name; got 'task\.py'"),
        ("{file}:", "TASK must be file"),
        ("absent.py:task", r"there is no file 'absent\.py'"),
        (
            "absent_module:task",
            "module 'absent_module' could not be imported: ModuleNotFoundError",
        ),
        ("{file}:tsak", "has no 'tsak'. Did you mean 'task'"),
        ("{file}:number", "must be a learnrate.Task, or a function .* got an int"),
        (
            "{file}:needs_width",
            "my_task.py:needs_width must be .* arguments; this one needs width",
        ),
        (
            "{file}:broken",
            r"could not be called: RuntimeError: no data set here at .*my_task\.py:11",
        ),
    ],
)
def test_a_task_that_cannot_be_loaded_is_one_clear_error(file, spec, message):
    with pytest.raises(TaskError, match=message):
        load_task(spec.format(file=file))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(:\n", r"could not be imported: SyntaxError: .*bad\.py:1"),
        ("1 / 0\n", r"could not be imported: ZeroDivisionError: division by zero at .*bad\.py:1"),
        (
            "raise SystemExit(3)\n",
            r"bad\.py ended the program while it was imported \(exit status 3\)",
        ),
        ("import absent_package\n", "No module named 'absent_package'"),
    ],
)
def test_a_file_that_does_not_import_says_where(tmp_path, source, message):
    path = tmp_path / "bad.py"
    path.write_text(source)
    with pytest.raises(TaskError, match=message):
        load_task(f"{path}:task")


def trained():
    model = nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("saved", [True, False])
def test_a_task_starts_from_a_checkpoint(tmp_path, saved):
    model, optimizer = trained()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    if saved:
        torch.save(state, tmp_path / "checkpoint.pt")
        state = tmp_path / "checkpoint.pt"
    task = make(model=lambda: nn.Linear(3, 1), optimizer=torch.optim.Adam).starting_from(state)
    started = task.model()
    assert torch.equal(started.weight, model.weight)
    moments = task.optimizer_of(started).state[started.weight]["exp_avg"]
    assert torch.equal(moments, optimizer.state[model.weight]["exp_avg"])


def test_decayed_rates_in_a_checkpoint_are_not_used():
    model, optimizer = trained()
    optimizer.param_groups[0]["lr"] = 0.0
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    factory = functools.partial(torch.optim.Adam, lr=0.02)
    task = make(model=model, optimizer=factory).starting_from(state)
    assert task.optimizer_of(task.model()).param_groups[0]["lr"] == 0.02


def test_training_from_a_checkpoint_changes_neither_it_nor_the_tasks_own_model():
    model, _ = trained()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    original = nn.Linear(3, 1)
    before = original.weight.clone()
    started = make(model=original).starting_from(state).model()
    with torch.no_grad():
        started.weight.add_(1.0)
    assert torch.equal(state["weight"], model.weight)
    assert torch.equal(original.weight, before)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "got the keys none"),
        ({"epoch": 3}, "got the keys 'epoch'"),
        ({"model": nn.Linear(1, 1)}, "needs a model's state_dict"),
        ("nowhere.pt", "the checkpoint 'nowhere.pt' cannot be read: No such file"),
    ],
)
def test_what_is_not_a_checkpoint_is_refused(state, message):
    with pytest.raises(TaskError, match=message):
        make().starting_from(state)


def test_a_file_that_is_not_a_checkpoint_is_refused(tmp_path):
    (tmp_path / "checkpoint.pt").write_text("not one")
    with pytest.raises(TaskError, match="is not a checkpoint of tensors"):
        make().starting_from(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_is_cut_at_any_byte_is_refused(tmp_path, zipped):
    file, state = tmp_path / "checkpoint.pt", nn.Linear(3, 1).state_dict()
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    content = file.read_bytes()
    for size in range(0, len(content), len(content) // 40):
        file.write_bytes(content[:size])
        with pytest.raises(TaskError, match="is not a checkpoint of tensors"):
            make().starting_from(file)


def test_a_checkpoint_of_another_model_is_refused_when_training_starts():
    task = make(total_steps=3).starting_from(nn.Linear(4, 1).state_dict())
    with pytest.raises(TaskError, match=r"could not be made: RuntimeError.*Linear"):
        learnrate.train(task, 0.1, progress=False)


ARGUMENTS_AT_IMPORT = """
import argparse, torch, learnrate
parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, {needs})
arguments = parser.parse_args()
task = learnrate.Task(model=lambda: torch.nn.Linear(3, 1), loss=torch.nn.MSELoss(),
                      data=[None], total_steps=arguments.width)
"""


def test_a_script_that_reads_its_arguments_at_import_gets_their_defaults(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["learnrate", "plan", "script.py:task", "--width"])
    path = tmp_path / "script.py"
    path.write_text(ARGUMENTS_AT_IMPORT.format(needs="default=5"))
    assert load_task(f"{path}:task").total_steps == 5
    path.write_text(ARGUMENTS_AT_IMPORT.format(needs="required=True"))
    with pytest.raises(TaskError, match=r"ended the program.*if __name__ == '__main__'"):
        load_task(f"{path}:task")


def test_a_full_batch_is_data_of_one_batch():
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    task = Task(
        model=lambda: nn.Linear(3, 1),
        loss=lambda model, _: (model(x) - 1.0).square().mean(),
        data=[None],
        optimizer=functools.partial(torch.optim.SGD, lr=0.1),
    )
    trained = learnrate.train(task, 0.1, total_steps=30, progress=False)
    assert trained.curve.loss[-1] < trained.curve.loss[0]


def test_a_decorated_function_may_take_other_arguments_than_what_it_wraps():
    def of_held_out(function):
        @functools.wraps(function)
        def validate(model):
            return function(model, DATA)

        return validate

    @of_held_out
    def validate(model, batches):
        return float(len(batches))

    assert make(validate=validate).validate(None) == 1.0


def test_a_task_is_loaded_from_text_alone():
    with pytest.raises(TaskError, match=r"TASK must be file\.py:name or module:name; got 5"):
        load_task(5)


def test_the_help_of_a_task_has_no_docs_of_its_default_optimizer():
    text = pydoc.plaintext.document(Task)
    assert "AdamW by default" in text
    assert "betas" not in text
