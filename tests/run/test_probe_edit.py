"""The edit `probe`: the live training is probed, answers as text, and continues to the same bits."""

import functools
import time

import numpy as np
import pytest
import torch
from torch.optim import SGD, lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

import learnrate
from learnrate import Store, Task
from learnrate.edits import EditKind
from learnrate.probing import Probes
from learnrate.steering import replayed, request

X = torch.randn(480, 6, generator=torch.Generator().manual_seed(3))
Y = X.sum(1, keepdim=True)
BATCHES = list(zip(X.split(16), Y.split(16), strict=True))


def loss_of(model, batch):
    return torch.nn.functional.mse_loss(model(batch[0]), batch[1])


class ProbedLoop:
    """A run with its loop; `edits` are texts of edits by the step at which the loop makes them."""

    def __init__(self, place, schedule, edits, *, loss=loss_of, probed=True, lr=0.1):
        torch.manual_seed(0)
        self.model = torch.nn.Linear(6, 1)
        self.optimizer = SGD(self.model.parameters(), lr=lr)
        self.probes = Probes(self.model, loss, BATCHES, only=[]) if probed else None
        self.run = learnrate.attach(
            self.optimizer, schedule, total_steps=40, store=place, probes=self.probes
        )
        self.scheduler = lr_scheduler.ConstantLR(self.optimizer, 1.0) if schedule is None else None
        self.losses = []
        while not self.run.done:
            for text in edits.get(self.run.next_step, ()):
                self.run.steer(text, author="ann")
            self.optimizer.zero_grad()
            loss = loss_of(self.model, BATCHES[self.run.next_step % 30])
            loss.backward()
            self.optimizer.step()
            self.losses.append(loss.item())
            self.run.step(loss)
        self.run.finish()
        self.edits = Store(place).edits(self.run.id)


def findings_of(place, run, code):
    return [finding for finding in Store(place).findings(run.id) if finding.code == code]


def test_the_probe_runs_at_the_rate_of_the_next_update_and_its_answer_is_stored(tmp_path):
    place = tmp_path / "a.db"
    probed = ProbedLoop(place, "1e-3 * constant()", {9: ["scale 0.5", "probe"], 20: ["probe"]})
    first, second = probed.probes.results
    assert (first.step, first.result.lr, second.result.lr) == (9, 0.5e-3, 0.5e-3)
    assert [(edit.kind, edit.status, edit.step) for edit in probed.edits] == [
        ("scale", "applied", 9),
        ("probe", "applied", 9),
        ("probe", "applied", 20),
    ]
    assert probed.edits[1].answer == first.words
    assert first.words.startswith("Raise the rate (0.0005).")
    points = Store(place).points(probed.run.id)
    verdicts = points.columns["what_if"]
    assert points.step[~np.isnan(verdicts)].tolist() == [9, 20]
    assert verdicts[[9, 20]].tolist() == [1.0, 1.0]
    (finding,) = findings_of(
        place, probed.run, "LR203"
    )  # recorded once, although it was found twice
    assert (finding.code, finding.step) == ("LR203", 9)


def test_the_training_continues_to_the_same_bits(tmp_path):
    schedule = "0.05 * linear()"
    plain = ProbedLoop(tmp_path / "a.db", schedule, {})
    probed = ProbedLoop(tmp_path / "b.db", schedule, {9: ["probe"]})
    assert probed.losses == plain.losses
    assert len(probed.probes.results) == 1


def test_under_a_torch_scheduler_the_probe_runs_at_the_edited_rate(tmp_path):
    probed = ProbedLoop(tmp_path / "a.db", None, {5: ["scale 0.1"], 9: ["probe"]}, lr=0.05)
    assert probed.probes.results[0].result.lr == pytest.approx(0.005, rel=1e-12)
    assert probed.optimizer.param_groups[0]["lr"] == 0.05


def test_a_run_without_a_probe_refuses_with_the_way_out(tmp_path):
    probed = ProbedLoop(tmp_path / "a.db", "0.05 * linear()", {9: ["probe"]}, probed=False)
    (edit,) = probed.edits
    assert (edit.status, edit.step) == ("refused", None)
    assert "Attach with probes=learnrate.probing.Probes(" in edit.answer
    assert probed.run.next_step == 40


def test_a_probe_that_fails_is_refused_and_leaves_no_trace(tmp_path):
    def broken(model, batch):
        loss_of(model, batch)
        raise RuntimeError("out of memory")

    plain = ProbedLoop(tmp_path / "a.db", "0.05 * linear()", {})
    probed = ProbedLoop(tmp_path / "b.db", "0.05 * linear()", {9: ["probe"]}, loss=broken)
    (edit,) = probed.edits
    assert edit.status == "refused"
    assert edit.answer == "the what-if probe failed: RuntimeError: out of memory"
    assert probed.losses == plain.losses


# Under learnrate.train, which has the loss and the batches


def shuffled():
    return DataLoader(TensorDataset(X, Y), batch_size=16, shuffle=True)


def with_own_generator():
    """Batches that a generator of the loader draws."""
    return DataLoader(
        TensorDataset(X, Y), 16, shuffle=True, generator=torch.Generator().manual_seed(5)
    )


def of_a_seed():
    def batches(seed):
        order = torch.randperm(480, generator=torch.Generator().manual_seed(seed))
        return [(X[rows], Y[rows]) for rows in order.split(16)]

    return batches


def requesting(place, count):
    """A loss that requests a probe of its own run when it is called for the `count`-th time."""
    calls = []

    def loss(model, batch):
        calls.append(None)
        if len(calls) == count:
            while not (store := Store(place)).runs():  # the recorder writes the run in its thread
                time.sleep(0.02)
            request(store, "last", "probe", author="ann")
        if count < len(calls) < count + 120:
            time.sleep(0.02)  # the run looks for edits within a second, on a quiet machine
        return loss_of(model, batch)

    return loss


def task_of(data, loss=loss_of, **more):
    def model():
        return torch.nn.Sequential(
            torch.nn.Linear(6, 16), torch.nn.Dropout(0.2), torch.nn.Linear(16, 1)
        )

    optimizer = functools.partial(torch.optim.Adam, lr=1e-3)
    return Task(model=model, loss=loss, data=data, optimizer=optimizer, total_steps=200, **more)


@pytest.mark.parametrize(
    ("data", "more"),
    [(shuffled, {}), (with_own_generator, {"accumulate": 2}), (of_a_seed, {"clip_norm": 0.5})],
)
def test_train_probes_on_the_next_batches_and_ends_at_the_same_bits(tmp_path, data, more):
    place = tmp_path / "a.db"
    plain = learnrate.train(task_of(data(), **more), "1e-5 * linear()", progress=False)
    probed = learnrate.train(
        task_of(data(), requesting(place, 30), **more),
        "1e-5 * linear()",
        store=place,
        progress=False,
    )
    assert probed.curve.error == ""
    store = Store(place)
    (edit,) = store.edits(probed.run)
    assert (edit.kind, edit.status) == ("probe", "applied")
    assert "Raise the rate" in edit.answer
    assert [
        finding.code for finding in store.findings(probed.run) if finding.step == edit.step
    ] == ["LR203"]
    assert np.array_equal(probed.curve.loss, plain.curve.loss)
    assert probed.curve.validation == plain.curve.validation

    again = replayed(store, probed.run)
    assert [edit.kind for edit in again.edits] == [EditKind.PROBE]
    repeated = learnrate.train(
        task_of(data(), **more),
        again.base,
        edits=again.edits_to_repeat,
        store=place,
        progress=False,
    )
    assert replayed(store, repeated.run).edits == again.edits
    assert np.array_equal(repeated.curve.loss, plain.curve.loss)
