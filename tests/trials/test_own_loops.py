"""Tasks with several optimizers, closures, updates of their own, and optimizers with habits."""

import numpy as np
import pytest
import torch
from torch import nn

import learnrate
from learnrate import ArgumentError, Store, Task, TaskError
from learnrate.trials import Training, check_task, preserved

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
Y = X.sum(1, keepdim=True)
BATCHES = [(X[i : i + 16], Y[i : i + 16]) for i in range(0, 64, 16)]


def make_model():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def make_task(**changes):
    fields = {"model": make_model, "loss": nn.MSELoss(), "data": BATCHES, "total_steps": 40}
    return Task(**(fields | changes))


def two_optimizers(model):
    return [
        torch.optim.SGD(model[0].parameters(), lr=0.01, momentum=0.9),
        torch.optim.AdamW(model[2].parameters(), lr=0.1),
    ]


def are_finished(swept):
    return {str(trial.curve.status) for trial in swept.trials} == {"finished"}


def weights_after(task, rates):
    with preserved(task):
        training = Training(task, seed=0)
        losses = [training.update(lr) for lr in rates]
    return losses, [weight.detach().clone() for weight in training.model.parameters()]


def plain(update, make_optimizers, steps):
    """The weights after a plain loop, on the same initial weights and batches."""
    task = make_task()
    with preserved(task):
        model = Training(task, seed=0).model
        optimizers = make_optimizers(model)
        for step in range(steps):
            update(model, optimizers, BATCHES[step % len(BATCHES)])
    return [weight.detach().clone() for weight in model.parameters()]


def test_several_optimizers_are_all_stepped_and_keep_the_ratio_of_their_rates():
    def update(model, optimizers, batch):
        for optimizer, lr in zip(optimizers, (0.02, 0.2), strict=True):
            optimizer.param_groups[0]["lr"] = lr
            optimizer.zero_grad()
        nn.functional.mse_loss(model(batch[0]), batch[1]).backward()
        for optimizer in optimizers:
            optimizer.step()

    _, actual = weights_after(make_task(optimizer=two_optimizers), [0.2] * 6)
    expected = plain(update, two_optimizers, 6)
    assert all(torch.allclose(e, a, rtol=1e-6) for e, a in zip(expected, actual, strict=True))


@pytest.mark.parametrize("engine", ["auto", "sequential"])
def test_the_verbs_take_several_optimizers(engine, tmp_path):
    task = make_task(optimizer=two_optimizers)
    swept = learnrate.sweep(task, lr=[0.01, 0.1], seeds=1, engine=engine, progress=False)
    assert are_finished(swept)
    assert learnrate.find(task, iters=30, low=1e-4, high=1.0, repeats=1, progress=False)
    trained = learnrate.train(task, "0.1 * linear()", store=tmp_path / "a.db", progress=False)
    assert [type(o).__name__ for o in trained.optimizer] == ["SGD", "AdamW"]
    stored = Store(tmp_path / "a.db").run(trained.run)
    assert stored.facts["optimizer"] == "SGD + AdamW"
    assert stored.facts["group_lr"] == [0.01, 0.1]


def test_functions_that_need_one_optimizer_say_so():
    with pytest.raises(TaskError, match="one optimizer; this one has SGD and AdamW"):
        make_task(optimizer=two_optimizers).optimizer_of(make_model())


def test_a_list_without_an_optimizer_in_it_is_refused():
    for factory in (lambda _: [], lambda _: [3]):
        with pytest.raises(TaskError, match="optimizer"):
            check_task(make_task(optimizer=factory))


def test_a_checkpoint_has_the_state_of_each_optimizer():
    task = make_task(optimizer=two_optimizers)
    trained = learnrate.train(task, 0.1, total_steps=3, progress=False)
    states = [optimizer.state_dict() for optimizer in trained.optimizer]
    started = task.starting_from({"model": trained.model.state_dict(), "optimizer": states})
    model = started.model()
    first, second = started.optimizers_of(model)
    assert "momentum_buffer" in first.state[model[0].weight]
    assert second.state[model[2].weight]["step"] == 3
    with pytest.raises(TaskError, match="2 optimizers; the task has 1"):
        make_task().starting_from(
            {"model": trained.model.state_dict(), "optimizer": states}
        ).optimizers_of(model)


def make_lbfgs(model):
    return torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)


def update_by_closure(model, optimizer, batch):
    def closure():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(batch[0]), batch[1])
        loss.backward()
        return loss

    return optimizer.step(closure)


def test_an_optimizer_that_needs_a_closure_gets_one():
    by_task, first = weights_after(make_task(optimizer=make_lbfgs), [0.5] * 5)
    by_own_update, second = weights_after(
        make_task(optimizer=make_lbfgs, loss=None, update=update_by_closure), [0.5] * 5
    )
    expected = plain(update_by_closure, make_lbfgs, 5)
    assert by_task == by_own_update
    for weights in (first, second):
        assert all(torch.equal(e, a) for e, a in zip(expected, weights, strict=True))


@pytest.mark.parametrize("closure", ["given", "own"])
def test_the_verbs_take_closures(closure, tmp_path):
    task = make_task(
        optimizer=make_lbfgs,
        **({"loss": None, "update": update_by_closure} if closure == "own" else {}),
    )
    assert learnrate.find(task, iters=20, low=1e-3, high=1.0, repeats=1, progress=False)
    swept = learnrate.sweep(task, lr=[0.1, 0.5], seeds=1, total_steps=8, progress=False)
    assert are_finished(swept)
    trained = learnrate.train(
        task, "0.5 * linear()", total_steps=8, store=tmp_path / "a.db", progress=False
    )
    points = Store(tmp_path / "a.db").points(trained.run)
    assert points.columns["lr"].tolist() == learnrate.schedule("0.5 * linear(8)").table().tolist()


def test_a_closure_beside_another_optimizer_is_refused_with_the_way_out():
    def both(model):
        return [make_lbfgs(model[0]), torch.optim.SGD(model[2].parameters(), lr=0.1)]

    with pytest.raises(TaskError, match=r"LBFGS.step needs a closure.*Task\(update=...\)"):
        check_task(make_task(optimizer=both))


def alternating_update(model, optimizers, batch):
    """Two passes, each with its optimizer."""
    for optimizer in optimizers:
        model.zero_grad()
        loss = nn.functional.mse_loss(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
    return loss


def test_an_update_of_the_task_gets_all_optimizers_and_is_planned_and_trained(tmp_path):
    task = make_task(optimizer=two_optimizers, loss=None, update=alternating_update)
    losses, _ = weights_after(task, [0.02] * 8)
    assert np.isfinite(losses).all()
    plan = learnrate.plan(task, budget=1.0, total_steps=60, progress=False)
    trained = learnrate.train(task, plan.schedule, store=tmp_path / "a.db", progress=False)
    assert trained.curve.steps == 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"update": 3}, r"Task\(update=...\) must be update"),
        ({"loss": None}, r"Task\(loss=...\) must be a criterion"),
        ({"update": alternating_update, "clip_norm": 1.0}, "clip_norm=...*by itself"),
        ({"update": alternating_update, "accumulate": 2}, "accumulate=...*by itself"),
        ({"update": alternating_update, "amp": "float16"}, "amp=...*by itself"),
    ],
)
def test_a_field_that_does_not_go_with_an_own_update_is_refused(changes, message):
    with pytest.raises(ArgumentError, match=message):
        make_task(**changes)


@pytest.mark.parametrize("result", [None, "low", torch.ones(3)])
def test_an_own_update_must_return_its_loss(result):
    with pytest.raises(TaskError, match="must return the loss"):
        check_task(make_task(loss=None, update=lambda *_: result))


def test_an_own_update_that_raises_is_one_sentence():
    def update(model, optimizer, batch):
        raise ValueError("no such layer")

    with pytest.raises(TaskError, match=r"first update.*ValueError: no such layer at "):
        check_task(make_task(loss=None, update=update))


class Rows(nn.Module):
    def __init__(self, sparse):
        super().__init__()
        torch.manual_seed(0)
        self.rows = nn.Embedding(10, 3, sparse=sparse)

    def forward(self, index):
        return self.rows(index).sum((1, 2))


def sparse_task(sparse, **changes):
    index = torch.tensor([[1, 1, 4], [2, 4, 4]])  # rows that occur more than once
    fields = {
        "model": lambda: Rows(sparse),
        "loss": lambda model, batch: (model(batch) - 30.0).square().mean(),
        "data": [index],
        "total_steps": 8,
    }
    return Task(**(fields | changes))


@pytest.mark.parametrize("clip_norm", [None, 0.5, 1e6])
def test_sparse_gradients_are_clipped_as_dense_ones(clip_norm):
    weights = {}
    for sparse in (False, True):
        task = sparse_task(
            sparse,
            clip_norm=clip_norm,
            optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        )
        with preserved(task):
            training = Training(task, seed=0)
            for _ in range(5):
                training.update(0.01)
        weights[sparse] = training.model.rows.weight.detach()
    torch.testing.assert_close(weights[True], weights[False])


def test_sparse_adam_is_trained_with_clipping_and_its_norm_is_recorded(tmp_path):
    task = sparse_task(
        True,
        clip_norm=1.0,
        optimizer=lambda model: torch.optim.SparseAdam(list(model.parameters()), lr=0.1),
    )
    assert are_finished(learnrate.sweep(task, lr=[0.1, 0.2], seeds=1, progress=False))
    model = Rows(sparse=True)
    optimizer = torch.optim.SparseAdam(list(model.parameters()), lr=0.1)
    measure = learnrate.Measure(clip_norm=0.5)
    with learnrate.attach(
        optimizer, "0.1", total_steps=4, store=tmp_path / "a.db", measure=measure
    ) as run:
        for _ in range(4):
            optimizer.zero_grad()
            loss = (model(torch.tensor([[1, 1, 4]])) - 30.0).square().mean()
            loss.backward()
            optimizer.step()
            run.step(loss)
    points = Store(tmp_path / "a.db").points(run.id)
    assert (points.columns["gradient_norm"] > 0.5).all()
    assert points.columns["clipped"].tolist() == [1.0] * 4


def schedule_free(model):
    return pytest.importorskip("schedulefree").AdamWScheduleFree(model.parameters(), lr=0.05)


def test_a_schedule_free_optimizer_is_validated_at_its_average_and_left_there(tmp_path):
    modes = []

    def validate(model):
        modes.append([weight.clone() for weight in model.parameters()])
        return float(nn.functional.mse_loss(model(X), Y))

    task = make_task(optimizer=schedule_free, validate=validate, total_steps=120)
    learnrate.find(task, iters=20, low=1e-3, high=0.1, repeats=1, progress=False)
    trained = learnrate.train(task, "0.05", store=tmp_path / "a.db", progress=False)
    averaged = [weight.detach() for weight in trained.model.parameters()]
    assert all(torch.allclose(a, b) for a, b in zip(modes[-1], averaged, strict=True))
    assert not trained.optimizer.param_groups[0]["train_mode"]
    assert "LR302" not in {finding.code for finding in trained.findings}
    plain_task = make_task(validate=validate, total_steps=120)
    codes = {
        finding.code
        for finding in learnrate.train(
            plain_task, "0.05", store=tmp_path / "b.db", progress=False
        ).findings
    }
    assert "LR302" in codes  # of an optimizer that does not average


@pytest.mark.parametrize("package", ["prodigyopt.Prodigy", "dadaptation.DAdaptAdam"])
def test_the_effective_rate_of_an_optimizer_that_estimates_it_is_recorded(package, tmp_path):
    name, kind = package.split(".")
    make = getattr(pytest.importorskip(name), kind)
    torch.manual_seed(0)
    model = make_model()
    optimizer = make(model.parameters(), lr=1.0)
    estimates = []
    place = tmp_path / "a.db"
    with learnrate.attach(optimizer, "1 * linear(30)", store=place) as run:
        for step in range(30):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(X), Y)
            loss.backward()
            estimates.append(optimizer.param_groups[0]["d"] * (1 - step / 30))
            optimizer.step()
            run.step(loss)
    effective = Store(place).points(run.id).columns["effective_lr"]
    np.testing.assert_allclose(effective, estimates, rtol=1e-12)
    assert effective.max() > 2 * effective[0]


def test_prodigy_is_swept_and_planned():
    make = pytest.importorskip("prodigyopt").Prodigy
    task = make_task(optimizer=lambda model: make(model.parameters(), lr=1.0))
    swept = learnrate.sweep(task, lr=[0.3, 1.0], seeds=1, progress=False)
    assert are_finished(swept)


def test_the_scale_of_a_group_is_honoured():
    """As timm's layer-wise decay sets it: all groups have one rate, and `lr_scale`."""

    def optimizer(model):
        return torch.optim.SGD(
            [
                {"params": model[0].parameters(), "lr_scale": 0.25},
                {"params": model[2].parameters(), "lr_scale": 1.0},
            ],
            lr=0.1,
        )

    task = make_task(optimizer=optimizer)
    with preserved(task):
        training = Training(task, seed=0)
        training.update(0.4)
    assert [group["lr"] for group in training.optimizer.param_groups] == [0.1, 0.4]

    rates = optimizer(make_model())
    scheduler = learnrate.to_torch(learnrate.schedule("0.2 * linear(4)"), rates)
    assert scheduler.get_last_lr() == [0.05, 0.2]

    attached = optimizer(make_model())
    run = learnrate.attach(attached, "0.2 * linear(4)", store=False)
    assert [group["lr"] for group in attached.param_groups] == [0.05, 0.2]
    run.finish()

    for group, lr in zip(attached.param_groups, (0.025, 0.1), strict=True):
        group["lr"] = group["initial_lr"] = lr  # timm's scheduler has scaled them already
    run = learnrate.attach(attached, "0.2 * linear(4)", store=False)
    assert [group["lr"] for group in attached.param_groups] == [0.05, 0.2]
    run.finish()
