"""Every engine gives the same curves, or says why it does not."""

import functools
import math
import time

import numpy as np
import pytest
import torch
from engine_task import BATCHES, X, Y, dense, make_task, make_trials, run_all
from torch import nn

from learnrate import Task
from learnrate.testing import quadratic_task
from learnrate.trials import (
    Curve,
    Sequential,
    Status,
    Vectorised,
    choose_engine,
    preserved,
    probe,
)
from learnrate.trials import _auto as auto
from learnrate.trials import _stack as stack
from learnrate.trials import _vectorised as vectorised


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRU(3, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.cell(x.view(len(x), 2, 3))[0][:, -1])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(3, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.block(self.embed(x.view(len(x), 2, 3))).mean(1))


class Tied(nn.Module):
    """One weight in two places, one parameter frozen, one a scalar."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.first.bias.requires_grad_(False)
        self.gain = nn.Parameter(torch.tensor(1.5))

    def forward(self, x):
        return self.gain * self.second(torch.tanh(self.first(x)))[:, :2]


def matrices():
    """Weights without biases, which is all that Muon trains."""
    return nn.Sequential(nn.Linear(6, 7, bias=False), nn.Tanh(), nn.Linear(7, 2, bias=False))


def convolution():
    return nn.Sequential(
        nn.Unflatten(1, (1, 6)),
        nn.Conv1d(1, 4, 3),
        nn.GroupNorm(2, 4),
        nn.Flatten(),
        nn.Linear(16, 2),
    )


def groups(model):
    return torch.optim.SGD(
        [
            {"params": model[2].parameters(), "lr": 0.01, "momentum": 0.5},
            {"params": model[0].parameters(), "lr": 0.1, "weight_decay": 0.1},
        ]
    )


SAME = {
    "dense": {},
    "float64": {"model": lambda: dense().double(), "data": [(x.double(), y) for x, y in BATCHES],
                "validate": None},
    "convolution, group norm": {"model": convolution},
    "recurrent": {"model": Recurrent},
    "attention": {"model": Attention},
    "tied, frozen and scalar": {"model": Tied},
    "clipped": {"clip_norm": 0.05},
    "accumulated": {"accumulate": 3},
    "clipped and accumulated": {"clip_norm": 0.05, "accumulate": 2},
    "parameter groups": {"optimizer": groups},
    "adagrad": {"optimizer": torch.optim.Adagrad},
    "rmsprop": {"optimizer": torch.optim.RMSprop},
    "muon": {"model": matrices, "optimizer": torch.optim.Muon},
    "sgd": {"optimizer": functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True)},
    "on a device": {"device": "cpu"},
    "one module": {"model": dense()},
}  # fmt: skip


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
def test_the_same_seed_gives_the_same_curve(changes):
    task, engine = make_task(**changes), Vectorised()
    assert probe(task, make_trials()[0]).refusal == ""
    expected, actual = (run_all(task, runner, make_trials()) for runner in (Sequential(), engine))
    assert engine.notes == []
    assert list(expected) == list(actual)
    for trial, curve in expected.items():
        assert np.array_equal(curve.lr, actual[trial].lr)
        assert np.allclose(curve.loss, actual[trial].loss, rtol=1e-3, atol=1e-5)
        assert curve.final == pytest.approx(actual[trial].final, rel=1e-3)
        assert curve.status is actual[trial].status is Status.FINISHED
        assert curve.distance == pytest.approx(actual[trial].distance, rel=1e-3)


def test_the_data_of_a_shuffling_loader_are_the_same():
    dataset = torch.utils.data.TensorDataset(X, Y)
    task = make_task(data=torch.utils.data.DataLoader(dataset, batch_size=8, shuffle=True))
    expected, actual = (
        run_all(task, runner, make_trials()) for runner in (Sequential(), Vectorised(2))
    )
    assert all(np.allclose(expected[t].loss, actual[t].loss, rtol=2e-4) for t in expected)


def test_reduced_precision_follows_within_its_own_noise():
    task = make_task(amp="bfloat16", validate=None)
    expected, actual = (
        run_all(task, runner, make_trials()) for runner in (Sequential(), Vectorised())
    )
    assert all(np.allclose(expected[t].loss, actual[t].loss, rtol=0.1) for t in expected)


def test_a_diverged_trial_leaves_and_the_others_continue_as_before():
    task = quadratic_task(steepest=10.0, total_steps=100)
    trials = make_trials(rates=(0.01, 0.5, 0.1, 3.0), steps=100)
    expected, actual = (run_all(task, runner, trials) for runner in (Sequential(), Vectorised()))
    ends = [(expected[t].status, expected[t].steps) for t in trials]
    assert ends == [(actual[t].status, actual[t].steps) for t in trials]
    assert [status for status, _ in ends[:4]] == ["finished", "diverged", "finished", "diverged"]
    assert all(np.allclose(expected[t].loss, actual[t].loss, rtol=1e-3, atol=1e-6) for t in trials)


def test_dropout_in_a_stack_has_the_distribution_it_has_alone():
    task = Task(
        model=nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 1)),
        loss=lambda model, batch: model(batch[0]).square().mean(),
        data=BATCHES,
    )

    def first_losses(engine, rates, seeds):
        return np.array(
            [c.loss[0] for c in run_all(task, engine, make_trials(rates, seeds, steps=1)).values()]
        )

    alone = first_losses(Sequential(), (1e-3,), tuple(range(300)))
    stacked = first_losses(Vectorised(), tuple(np.geomspace(1e-9, 1e-8, 300)), (0,))
    error = np.hypot(alone.std(), stacked.std()) / np.sqrt(300)
    assert abs(alone.mean() - stacked.mean()) < 4 * error
    assert stacked.std() == pytest.approx(alone.std(), rel=0.25)
    assert len(set(stacked.tolist())) >= 295  # two may round to the same loss


class Decides(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 2)

    def forward(self, x):
        out = self.layer(x)
        return out if out.sum() > 0 else -out


class Counts(Decides):
    def __init__(self):
        super().__init__()
        self.register_buffer("examples", torch.zeros(1))

    def forward(self, x):
        self.examples += len(x)
        return self.layer(x)


class Remembers(Decides):
    """Keeps its weight outside of its parameters, where a stack cannot replace it."""

    def forward(self, x):
        return self.linear(x)

    def __init__(self):
        super().__init__()
        self.linear = functools.partial(nn.functional.linear, weight=self.layer.weight)


class HalfUsed(Decides):
    def __init__(self):
        super().__init__()
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return self.layer(x)


NOT_STACKED = {
    "batch norm": (
        {"model": lambda: nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 2))},
        "BatchNorm1d '0' keeps running statistics",
    ),
    "a buffer": ({"model": Counts}, "writes to the buffer 'examples'"),
    "control flow": ({"model": Decides}, "does not run under torch.vmap"),
    "hidden weights": ({"model": Remembers}, "no gradient"),
    "an unused part": ({"model": HalfUsed}, "no gradient"),
    "an optimizer": ({"optimizer": torch.optim.Adamax}, "Adamax, has no stacked form"),
    "float16": ({"amp": "float16"}, "keeps one scale for each model"),
    "others clipped": (
        {"clip_norm": 1.0, "optimizer": lambda m: torch.optim.SGD(m[0].parameters(), lr=0.1)},
        "parameters that its optimizer does not train",
    ),
}


@pytest.mark.parametrize(("changes", "reason"), NOT_STACKED.values(), ids=NOT_STACKED)
def test_what_cannot_be_stacked_runs_alone_and_says_why(changes, reason):
    task = make_task(**changes)
    choice, engine = choose_engine(task, make_trials(), "vectorised")
    assert (choice.engine, engine.name) == ("sequential", "sequential")
    assert reason in choice.reason


def test_a_stack_that_raises_is_run_one_by_one_and_only_the_failing_trial_fails():
    class Fragile(nn.Module):
        """Raises where its weights are large: under vmap in reading them, alone in one trial only."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 2)
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            if self.calls > 5 and float(self.layer.weight.detach().abs().max()) > 2.0:
                raise ValueError("too large")
            return self.layer(x)

    task = make_task(model=Fragile, optimizer=torch.optim.Adam, validate=None)
    engine = Vectorised()
    actual = run_all(task, engine, make_trials(rates=(0.01, 0.9), seeds=(3,)))
    assert [c.status for c in actual.values()] == [Status.FINISHED, Status.FAILED]
    assert "ValueError: too large" in [c.error for c in actual.values()]
    assert "2 trials of seed 3 ran one after another: RuntimeError" in engine.notes[0]


def test_a_validation_that_raises_fails_its_trial_only():
    def validate(model):
        if float(model[0].weight.detach().abs().max()) > 1.0:
            raise ValueError("too large")
        return 1.0

    task = make_task(validate=validate, optimizer=torch.optim.Adam)
    expected, actual = (
        run_all(task, runner, make_trials(rates=(0.001, 0.3)))
        for runner in (Sequential(), Vectorised())
    )
    assert [c.error for c in expected.values()] == [c.error for c in actual.values()]
    assert {c.status for c in actual.values()} == {Status.FINISHED, Status.FAILED}


def test_ctrl_c_ends_every_engine():
    def interrupt(updates, stage):
        if updates >= 9:
            raise KeyboardInterrupt

    task = make_task()
    for engine in (Sequential(), Vectorised()):
        with preserved(task), pytest.raises(KeyboardInterrupt):
            list(engine.run(task, make_trials(), interrupt))


def test_a_stack_too_large_for_memory_is_halved(monkeypatch):
    class Narrow(stack.Stack):
        def __init__(self, task, seed, width):
            if width > 2:
                raise torch.OutOfMemoryError("no memory")
            super().__init__(task, seed, width)

    task, rates = make_task(), tuple(np.geomspace(0.001, 0.1, 7))
    expected = run_all(task, Sequential(), make_trials(rates))
    monkeypatch.setattr(vectorised, "Stack", Narrow)
    engine = Vectorised()
    actual = run_all(task, engine, make_trials(rates))
    assert {t: c.steps for t, c in actual.items()} == {t: c.steps for t, c in expected.items()}
    assert "did not fit into memory" in engine.notes[0]


def test_auto_takes_the_fastest_and_keeps_its_figures(monkeypatch):
    monkeypatch.setattr(auto, "_SHORT", 0.0)
    choice, engine = choose_engine(
        make_task(), make_trials(tuple(np.geomspace(1e-3, 0.1, 20))), "auto"
    )
    fastest = min(choice.timings, key=lambda timing: timing.seconds)
    assert choice.engine == engine.name == fastest.engine == "vectorised"
    assert {timing.width for timing in choice.timings if timing.processes == 1} == {1, 4, 16, 20}
    assert "times as fast" in choice.reason


def test_auto_times_the_fastest_again_and_keeps_the_shorter_time():
    true_seconds = {1: 1.0, 4: 0.5, 16: 0.4, 64: 0.9}
    disturbed = [
        auto.Timing("vectorised", width, 1, seconds * (1.4 if width == 16 else 1.0))
        for width, seconds in true_seconds.items()
    ]
    timings, again = list(disturbed), []

    def measure(timing):
        again.append(timing.width)
        return auto.Timing("vectorised", timing.width, 1, true_seconds[timing.width])

    auto._time_again(timings, measure, lambda timing: timing.seconds, math.inf)
    assert min(timings, key=lambda timing: timing.seconds).width == 16
    assert again[:2] == [4, 16]
    assert set(again) == {4, 16}
    late, again[:] = list(disturbed), []
    auto._time_again(late, measure, lambda timing: timing.seconds, -math.inf)
    assert (late, again) == (disturbed, [])


def test_auto_keeps_to_one_by_one_where_a_stack_is_slower(monkeypatch):
    class Slow(stack.Stack):
        def update(self, lr):
            time.sleep(0.02)
            return super().update(lr)

    monkeypatch.setattr(auto, "_SHORT", 0.0)
    monkeypatch.setattr(auto, "Stack", Slow)
    choice, _ = choose_engine(make_task(), make_trials(), "auto")
    assert choice.engine == "sequential"
    assert [timing.engine for timing in choice.timings[1:]].count("vectorised") > 0


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        (make_trials(), "too little to be worth measuring"),
        ([], "nothing to run"),
    ],
)
def test_auto_does_not_measure_what_measuring_cannot_pay_for(trials, reason, monkeypatch):
    monkeypatch.setattr(auto, "_SHORT", math.inf)  # whatever an update takes on a busy machine
    choice, _ = choose_engine(make_task(), trials, "auto")
    assert choice.engine == "sequential"
    assert reason in choice.reason


def test_auto_leaves_an_error_of_the_tasks_to_its_trials():
    def loss(model, batch):
        raise ValueError("bad record")

    choice, engine = choose_engine(make_task(loss=loss), make_trials(), "auto")
    assert choice.engine == "sequential"
    assert "raised ValueError: bad record" in choice.reason
    assert {c.error for c in run_all(make_task(loss=loss), engine, make_trials()).values()} == {
        "ValueError: bad record"
    }


def test_choosing_changes_nothing(monkeypatch):
    monkeypatch.setattr(auto, "_SHORT", 0.0)
    model = dense()
    task = make_task(model=model)
    before = [p.clone() for p in model.parameters()], torch.get_rng_state()
    threads = torch.get_num_threads()
    choose_engine(task, make_trials(), "auto")
    assert all(torch.equal(a, b) for a, b in zip(before[0], model.parameters(), strict=True))
    assert torch.equal(before[1], torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_a_curve_is_a_value():
    curve = next(iter(run_all(make_task(), Vectorised(), make_trials()).values()))
    assert isinstance(curve, Curve)
    assert curve.seconds > 0
