"""Branches of a live training of a user's own loop."""

import math

import pytest
import torch

import learnrate
from learnrate import ArgumentError, Store
from learnrate.edits import EditKind
from learnrate.probing import BranchProbes

TOTAL = 1000


def trained(place, probes_of=None, steps=300, steer=None):
    """A noisy quadratic trained in a loop: its run, and the losses."""
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1, bias=False)
    inputs = torch.randn(12, 16, 4)
    batches = [(batch, batch.sum(1, keepdim=True)) for batch in inputs]

    def loss_of(model, batch):
        return torch.nn.functional.mse_loss(model(batch[0]), batch[1])

    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    probes = None if probes_of is None else probes_of(model, loss_of, batches)
    losses = []
    run = learnrate.attach(optimizer, 1e-4, total_steps=TOTAL, store=place, probes=probes)
    with run:
        for step in range(steps):
            if steer is not None and step == 50:
                run.steer(steer)
            optimizer.zero_grad()
            loss = loss_of(model, batches[step % len(batches)])
            loss.backward()
            optimizer.step()
            run.step(loss)
            losses.append(loss.item())
    return run, losses, probes


def probes_with(low=1e-6, high=1e-2):
    return lambda model, loss_of, batches: BranchProbes(
        model, loss_of, batches, peak=1e-4, low=low, high=high, total_steps=TOTAL, share=0.2
    )


def test_a_rate_far_too_low_is_raised_by_edits_that_state_the_losses(tmp_path):
    _, plain, _ = trained(False)
    run, losses, probes = trained(tmp_path / "runs.db", probes_with())
    first = run.edited.edits[0]
    assert losses[: first.step] == plain[: first.step]  # the branches left no trace
    assert len(run.edited.edits) == 3
    assert {(edit.kind, edit.author) for edit in run.edited.edits} == {(EditKind.SCALE, "plan")}
    assert first.value == pytest.approx(4, rel=1e-2)  # the loss falls in proportion up to it
    assert "cooled down, ended at 2.5e-05: " in first.reason
    assert losses[-1] < plain[-1]
    assert len(probes.results) == 3
    answers = Store(tmp_path / "runs.db").edits(run.id)
    assert [edit.reason for edit in answers] == [edit.reason for edit in run.edited.edits]


def test_a_rate_that_a_person_holds_stays():
    run, _, _ = trained(False, probes_with(), steer="hold")
    assert [str(edit.kind) for edit in run.edited.edits] == ["hold"]


def test_a_checkpoint_trains_no_branch_twice():
    _, _, probes = trained(False, probes_with(), steps=150)
    resumed = probes_with()(probes._model, probes._loss_of, [None] * 9)
    resumed.load_state_dict(probes.state_dict())
    assert resumed.state_dict() == {"due": [175, 238], "bound": pytest.approx(4e-4)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 1e-3}, "from low to high"),
        ({"high": math.inf}, "from low to high"),
    ],
)
def test_a_plan_without_an_interval_is_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        trained(False, probes_with(**options))
