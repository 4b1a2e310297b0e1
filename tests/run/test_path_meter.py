"""The path of the weights, as a run measures it: nothing changes, and the rules find what it shows."""

import pytest
import torch
from torch.nn import functional

import learnrate
from learnrate import ArgumentError
from learnrate.run import Measure
from learnrate.watch import PATH_COLUMNS, diagnose


def trained(tmp_path, lr, measure, *, steps=160, make=torch.optim.SGD, total_steps=None):
    """Train a small network with dropout and BatchNorm; its state and what was recorded."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(8, 16),
        torch.nn.BatchNorm1d(16),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.1),
        torch.nn.Linear(16, 3),
    )
    inputs = torch.randn(256, 8)
    labels = (inputs @ torch.randn(8, 3)).argmax(1)
    data = torch.utils.data.TensorDataset(inputs, labels)
    optimizer = make(model.parameters(), lr=lr)
    place = tmp_path / f"{lr}-{measure.path_share}.db"
    with learnrate.attach(
        optimizer, str(lr), total_steps=total_steps or steps, store=place, measure=measure
    ) as run:
        step = 0
        while step < steps:
            for batch, label in torch.utils.data.DataLoader(data, batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = functional.cross_entropy(model(batch), label)
                loss.backward()
                optimizer.step()
                run.step(loss)
                step += 1
    state = [tensor.clone() for tensor in model.state_dict().values()]
    return [*state, torch.get_rng_state()], learnrate.Store(place).observations(run.id), run


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW])
def test_a_training_is_the_same_to_the_last_bit_with_and_without(tmp_path, make):
    with_path, observed, _ = trained(tmp_path, 0.01, Measure(path_share=0.1), make=make)
    without, plain, _ = trained(tmp_path, 0.01, Measure(path_share=0.0), make=make)
    assert all(torch.equal(a, b) for a, b in zip(with_path, without, strict=True))
    assert observed.column("loss").tolist() == plain.column("loss").tolist()
    assert set(PATH_COLUMNS) <= set(observed.facts)
    assert not set(PATH_COLUMNS) & set(plain.facts)


def test_the_path_is_that_of_the_weights(tmp_path):
    """Gradient descent on a parabola: all numbers of its path are known."""
    weight = torch.nn.Parameter(torch.full((5, 5), 2.0))
    optimizer = torch.optim.SGD([weight], lr=0.01)
    place = tmp_path / "a.db"
    with learnrate.attach(
        optimizer, 0.01, total_steps=80, store=place, measure=Measure(path_share=0.1)
    ) as run:
        for _ in range(80):
            optimizer.zero_grad()
            loss = 0.5 * weight.square().sum()
            loss.backward()
            optimizer.step()
            run.step(loss)
    facts = learnrate.Store(place).observations(run.id).facts
    assert len(facts["path_updates"]) >= 3
    names = ("path_updates", "path_distance", "path_slope_1", "path_fall")
    for (step, updates), (_, distance), (_, slope), (_, fall) in zip(
        *(facts[name] for name in names), strict=True
    ):
        assert step == updates
        assert distance == pytest.approx(1.0 - 0.99**step, rel=1e-4)
        assert slope == pytest.approx(0.99**step, rel=1e-4)
        # 16 slopes at the ends of equal parts, so somewhat less than the fall of the parabola
        assert 0.9 < fall / (50.0 * (1.0 - 0.99 ** (2 * step))) < 1.0


def test_a_loss_that_another_network_raises_gives_no_finding_on_the_rate(tmp_path):
    """The slope stays as steep as at the start, at any rate, while the loss stays where it is."""
    weight, pushed_up = torch.nn.Parameter(torch.ones(30_000)), 0.0
    optimizer = torch.optim.SGD([weight], lr=1e-3)
    measure = Measure(path_share=0.1)
    place = tmp_path / "a.db"
    with learnrate.attach(optimizer, 1e-3, total_steps=300, store=place, measure=measure) as run:
        for _ in range(200):
            optimizer.zero_grad()
            loss = -0.01 * weight.sum()
            loss.backward()
            optimizer.step()
            pushed_up += 30_000 * 0.01**2 * 1e-3
            run.step(loss.item() + pushed_up)
    diagnosis = diagnose(learnrate.Store(place).observations(run.id), only=["LR204"])
    assert diagnosis.findings == ()
    assert "something other than these weights changes the loss" in diagnosis.not_run["LR204"]


def test_a_live_run_far_from_its_best_rate_has_a_finding_with_the_direction(tmp_path):
    """The best rate of this run is about 0.1: 0.07 to 0.3 end within a tenth of the lowest loss."""
    low = trained(tmp_path, 2e-4, Measure(path_share=0.1), total_steps=320)[2]
    good = trained(tmp_path, 0.1, Measure(path_share=0.1), total_steps=320)[2]
    make = torch.optim.AdamW
    high = trained(tmp_path, 1.0, Measure(path_share=0.1), total_steps=320, make=make)[2]
    codes = [{finding.code for finding in run.findings} for run in (low, good, high)]
    assert [run_codes & {"LR107", "LR204"} for run_codes in codes] == [{"LR204"}, set(), {"LR107"}]


def test_several_optimizers_have_no_path(tmp_path):
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizers = [torch.optim.SGD([weight], lr=0.1) for weight in weights]
    place = tmp_path / "a.db"
    with learnrate.attach(optimizers, 0.1, total_steps=40, store=place) as run:
        for _ in range(40):
            for weight, optimizer in zip(weights, optimizers, strict=True):
                weight.grad = weight.detach().clone()
                optimizer.step()
            run.step(1.0)
    assert not set(PATH_COLUMNS) & set(learnrate.Store(place).observations(run.id).facts)


def test_gradients_that_are_not_finite_or_sparse_disturb_nothing(tmp_path):
    for sparse in (False, True):
        table = torch.nn.Embedding(4, 2, sparse=sparse)
        optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
        place = tmp_path / f"{sparse}.db"
        measure = Measure(gradient_every=0)
        with learnrate.attach(optimizer, 0.1, total_steps=40, store=place, measure=measure) as run:
            for step in range(40):
                optimizer.zero_grad()
                loss = table(torch.tensor([0, 1])).sum() * (float("inf") if step == 20 else 1.0)
                loss.backward()
                optimizer.step()
                run.step(loss)
        assert learnrate.Store(place).observations(run.id).step.size == 40


@pytest.mark.parametrize("share", [-0.1, 0.2, float("nan")])
def test_a_share_outside_its_rule_is_refused(share):
    with pytest.raises(ArgumentError, match=r"Measure\(path_share=\.\.\.\) must be"):
        Measure(path_share=share)
