"""Probes of a live run: within their share, recorded, and without a trace in the training."""

import time

import pytest
import torch
from torch import nn

import learnrate
from learnrate import ArgumentError
from learnrate.probing import ProbeRecord, Probes, sharpness
from learnrate.schedules import Constant
from learnrate.watch import diagnose

X = torch.randn(30, 64, 16, generator=torch.Generator().manual_seed(3))
BATCHES = [(x, x.sum(1, keepdim=True)) for x in X]


def make(lr=0.02, kind=torch.optim.SGD):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Dropout(0.1), nn.Linear(64, 1))
    return model, kind(model.parameters(), lr=lr)


def loss_of(model, batch):
    return nn.functional.mse_loss(model(batch[0]), batch[1])


def train(model, optimizer, steps, after):
    for step in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model, BATCHES[step % 30])
        loss.backward()
        optimizer.step()
        after(step + 1, loss)


QUICK = {"sharpness": {"products": 5}, "what_if": {"steps": 2}}


def test_they_take_turns_within_their_share_of_the_time():
    model, optimizer = make()
    probes = Probes(model, loss_of, BATCHES, share=0.2, options=QUICK)
    began = time.perf_counter()
    train(model, optimizer, 1500, lambda step, _: probes(step, optimizer))
    elapsed = time.perf_counter() - began
    kinds = [record.result.kind for record in probes.results]
    assert kinds[:4] == ["sharpness", "noise_scale", "normalised_step", "what_if"]
    assert kinds[4:8] == kinds[:4][: len(kinds) - 4]
    assert probes.spent > 0.02 * elapsed
    # the last probe may have taken longer than it ever did
    assert probes.spent - probes.results[-1].seconds <= 0.2 * elapsed
    assert "comes next" in probes.waiting


def test_an_attached_run_records_what_they_find(tmp_path):
    model, optimizer = make(kind=torch.optim.Adam)
    probes = Probes(model, loss_of, BATCHES, share=0.3, options=QUICK)
    place = tmp_path / "a.db"
    with learnrate.attach(optimizer, "0.02 * cosine(800)", store=place, probes=probes) as run:
        train(model, optimizer, 800, lambda _, loss: run.step(loss))
    store = learnrate.Store(place)
    observations = store.observations(run.id)
    assert observations.facts["preconditioned"] is True
    measured = [
        [record.step, record.result.eigenvalue]
        for record in probes.results
        if record.result.kind == "sharpness"
    ]
    assert observations.facts["sharpness"] == measured
    assert observations.step.tolist() == list(range(800))
    columns = store.points(run.id).columns
    assert {"noise_scale", "normalised_step", "edge_ratio"} <= set(columns)
    # what probes take is not the updates' time
    spent = sum(record.seconds for record in probes.results)
    whole = float(observations.column("seconds")[1:].sum())
    assert whole < run_time(run, place) - 0.5 * spent


def run_time(run, place):
    stored = learnrate.Store(place).run(run.id)
    return stored.updated - stored.started


def test_a_probed_run_ends_at_the_same_bits(tmp_path):
    ends = []
    for probed in (False, True):
        model, optimizer = make()
        probes = Probes(model, loss_of, BATCHES, share=0.5, options=QUICK) if probed else None
        run = learnrate.attach(optimizer, "0.02 * linear(400)", store=False, probes=probes)
        train(model, optimizer, 400, lambda _, loss, run=run: run.step(loss))
        run.finish()
        ends.append([parameter.detach().clone() for parameter in model.parameters()])
        assert not probed or probes.results
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_a_what_if_verdict_is_a_finding_once_two_agree_and_is_reported_once(tmp_path):
    model, optimizer = make(lr=1e-4)
    probes = Probes(
        model, loss_of, BATCHES, share=0.5, only=["what_if"], options={"what_if": {"steps": 3}}
    )
    place = tmp_path / "a.db"
    with learnrate.attach(optimizer, 1e-4, total_steps=10_000, store=place, probes=probes) as run:
        for _ in range(100):  # how many probes fit within their share, the machine's load decides
            train(model, optimizer, 100, lambda _, loss: run.step(loss))
            if len(probes.results) > 2:
                break
    assert len(probes.results) > 2
    codes = [finding.code for finding in learnrate.Store(place).findings(run.id)]
    assert [code for code in codes if code in {"LR106", "LR203"}] == ["LR203"]
    assert probes.results[0].findings == ()
    assert probes.results[1].findings[0].code == "LR203"


WHOLE = (X[:8].flatten(0, 1), X[:8].flatten(0, 1).sum(1, keepdim=True))


class EveryTwenty:
    """Measures the sharpness at every twentieth update, whatever time that takes."""

    def __init__(self, model):
        self.model = model

    def __call__(self, step, optimizer):
        if step % 20:
            return None
        result = sharpness(self.model, loss_of, WHOLE, optimizer, products=12)
        columns = {"preconditioned_sharpness": result.eigenvalue, "edge_ratio": result.ratio}
        return ProbeRecord(step=step, result=result, columns=columns, findings=(), seconds=0.0)


@pytest.mark.parametrize(
    ("then", "codes"),
    [(0.03, []), (1.0, ["LR104"])],
)
def test_a_real_run_under_adam_is_judged_by_its_preconditioned_sharpness(tmp_path, then, codes):
    """At full batch Adam climbs to 38 / lr by itself and hovers there, which is no fault."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.9))
    place, probes = tmp_path / "a.db", EveryTwenty(model)
    schedule = (0.03 * Constant(120)).then(then * Constant(120))
    shown = []
    with learnrate.attach(optimizer, schedule, store=place, probes=probes) as run:
        run.observers.append(lambda rows: shown.append(rows.facts.get("edge_ratio", [])))
        for _ in range(240):
            optimizer.zero_grad()
            loss = loss_of(model, WHOLE)
            loss.backward()
            optimizer.step()
            run.step(loss)
    observations = learnrate.Store(place).observations(run.id)
    ratios = [ratio for _, ratio in observations.facts["edge_ratio"]]
    assert len(ratios) == 11
    assert shown[-1] == observations.facts["edge_ratio"][: len(shown[-1])] != []
    assert ratios[0] < 0.1
    assert 0.9 < max(ratios[3:5]) < 1.3
    diagnosis = diagnose(observations, only=["LR104"])
    assert diagnosis.not_run == {}
    assert diagnosis.codes() == codes
    if codes:
        assert diagnosis.findings[0].evidence["limit"] == pytest.approx(38.0)


def test_a_probe_that_fails_is_given_up_and_training_continues():
    model, optimizer = make()
    probes = Probes(model, lambda m, b: 1 / 0, BATCHES, share=0.5, only=["noise_scale"])
    with pytest.warns(
        RuntimeWarning, match="noise_scale failed and does not run again: ZeroDivisionError"
    ):
        train(model, optimizer, 200, lambda step, _: probes(step, optimizer))
    assert probes.results == []
    assert "all have failed" in probes.waiting


def test_drawing_batches_leaves_the_random_generators_alone():
    model, optimizer = make()
    data = torch.utils.data.TensorDataset(
        X.reshape(-1, 16), X.reshape(-1, 16).sum(1, keepdim=True)
    )
    loader = torch.utils.data.DataLoader(data, batch_size=64, shuffle=True)
    probes = Probes(model, loss_of, loader, share=0.5, only=["noise_scale"])
    states = []

    def after(step, _loss):
        before = torch.get_rng_state()
        probes(step, optimizer)
        states.append(torch.equal(before, torch.get_rng_state()))

    train(model, optimizer, 200, after)
    assert probes.results
    assert all(states)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0.0}, "share"),
        ({"share": 0.6}, "share"),
        ({"only": ["curvature"]}, "only"),
        ({"options": {"what": {}}}, "options"),
    ],
)
def test_a_value_outside_its_rule_is_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        Probes(make()[0], loss_of, BATCHES, **options)


def test_a_loader_that_would_start_the_trainings_anew_is_refused():
    loader = torch.utils.data.DataLoader(X, num_workers=1, persistent_workers=True)
    with pytest.raises(ArgumentError, match="persistent_workers"):
        Probes(make()[0], loss_of, loader)


def test_several_optimizers_cannot_be_probed():
    model, optimizer = make()
    _, other = make()
    probes = Probes(model, loss_of, BATCHES)
    with pytest.raises(ArgumentError, match="probes"):
        learnrate.attach([optimizer, other], 0.1, total_steps=10, store=False, probes=probes)
