"""What tests/trials/test_torchrun.py starts on two ranks: python torchrun_job.py FOLDER."""

import dataclasses
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler

from learnrate import Task, find, plan, sweep, train

X = torch.randn(128, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = (X.sum(1) > 0).long()


def batches(size):
    return [(X[first : first + size], Y[first : first + size]) for first in range(0, 128, size)]


class Model(nn.Module):
    """With a branch that only some batches take, so that a rank may lack its gradient."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 7).double(), nn.Linear(7, 2).double()
        self.unused = nn.Linear(7, 7).double()

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


def task(size=8, **changes):
    settings = {
        "model": Model,
        "loss": nn.CrossEntropyLoss(),
        "data": batches(size),
        "optimizer": lambda model: torch.optim.AdamW(
            model.parameters(), lr=1e-3, weight_decay=0.1
        ),
        "validate": lambda model: float(nn.functional.cross_entropy(model(X), Y)),
        "total_steps": 200,
    }
    return Task(**(settings | changes))


def dropped():
    return nn.Sequential(nn.Linear(6, 64).double(), nn.Dropout(0.5), nn.Linear(64, 2).double())


def rates_of_each_step(task):
    rates = []

    def optimizer_of(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        optimizer.register_step_pre_hook(lambda o, a, k: rates.append(o.param_groups[0]["lr"]))
        return optimizer

    recorded = dataclasses.replace(task, optimizer=optimizer_of)
    train(recorded, "0.1 * warmup(5%) >> linear()", total_steps=40)
    return rates


def branching():
    """A loss in which each rank uses another part of the model."""
    rank = int(os.environ.get("RANK", "0"))

    def loss(model, batch):
        hidden = torch.tanh(model.first(batch[0]))
        out = model.last(hidden + model.unused(hidden) if rank else hidden)
        return nn.functional.cross_entropy(out, batch[1])

    return task(loss=loss)


def fails_on_one_rank():
    rank, calls = int(os.environ.get("RANK", "0")), [0]

    def loss(model, batch):
        calls[0] += 1
        if rank == 1 and calls[0] > 30:
            raise ValueError("a bad record")
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    return train(task(loss=loss), 0.1, total_steps=100, progress=False).curve


def fails_to_be_made():
    """A sweep in which one rank cannot make the model of the second trial."""
    rank, models = int(os.environ.get("RANK", "0")), [0]

    def model():
        models[0] += 1
        if rank == 1 and models[0] == 4:  # the check makes two
            raise MemoryError("no room")
        return Model()

    swept = sweep(task(model=model), [0.001, 0.01, 0.1], seeds=1, total_steps=20, progress=False)
    return [
        [str(trial.curve.status), trial.curve.error, trial.curve.final] for trial in swept.trials
    ]


def sparse():
    model = nn.Sequential(nn.Embedding(5, 3, sparse=True), nn.Flatten(), nn.Linear(3, 2))
    data = [(torch.tensor([[1], [2]]), torch.tensor([0, 1]))]
    sparse_task = Task(
        model=model, loss=nn.CrossEntropyLoss(), data=data, optimizer=torch.optim.SGD
    )
    return train(sparse_task, 0.1, total_steps=3, progress=False).curve.error


def normalised():
    """The running mean after a run without validation, in half precision and its scaler."""
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    data = [(x.float(), y) for x, y in batches(8)]
    half = task(model=model, data=data, validate=None, amp="float16")
    trained = train(half, 0.1, total_steps=30, progress=False)
    return [trained.model[1].running_mean.tolist(), trained.to_dict()]


def used(data, steps):
    """The examples of each update of this rank."""
    examples = []

    def loss(model, batch):
        examples.append(batch.tolist())
        return model.weight.square().sum()

    recording = Task(model=nn.Linear(1, 1), loss=loss, data=data, total_steps=steps)
    train(recording, 0.1, progress=False)
    return examples[1:]  # the first batch is that of the check


def split(rank):
    return DataLoader(range(16), batch_size=4, sampler=DistributedSampler(range(16), 2, rank))


def data_of_ranks():
    rank = int(os.environ.get("RANK", "0"))
    loader = split(rank)
    return {
        "in turns": used([torch.tensor([i]) for i in range(5)], 5),
        "shuffled": used(DataLoader(range(10), batch_size=2, shuffle=True), 5),
        "split": used(loader, 4),
        "epoch": loader.sampler.epoch,
        "split by a function": used(lambda seed: split(rank), 2),
    }


def step_losses():
    """The losses of a loop of the user: the range test gets their mean over the ranks."""
    rank = int(os.environ.get("RANK", "0"))
    return find(state=None, step=lambda lr: 1.0 + rank + 0.0 * lr, repeats=1, iters=12).loss


def main():
    folder = Path(sys.argv[1])
    rank = int(os.environ.get("RANK", "0"))
    random_before = torch.get_rng_state()
    trained = train(task(), "0.05 * warmup(5%) >> linear()", total_steps=60, progress=False)
    clipped = task(clip_norm=0.05, accumulate=2)
    range_test = find(task(), iters=60, repeats=2, progress=False)
    planned = plan(task(), budget=0.5, out=folder / f"plan-{rank}", progress=False)
    swept = sweep(
        task(), [0.001, 0.01, 0.1], seeds=2, total_steps=30, out=folder / "sweep", progress=False
    )
    raised = fails_on_one_rank()
    branched = train(branching(), 0.05, total_steps=20, progress=False)
    same_on_all = {
        "loss": trained.curve.loss.tolist(),
        "validation": trained.curve.validation,
        "weights": [float(parameter.detach().sum()) for parameter in trained.model.parameters()],
        "clipped": train(clipped, 0.05, total_steps=20, progress=False).curve.loss.tolist(),
        "rates": rates_of_each_step(task()),
        "find": range_test.to_dict(),
        "plan": planned.to_dict(),
        "sweep": swept.to_dict(),
        "again": sweep(
            task(), [0.001, 0.01], seeds=2, total_steps=30, out=folder / "sweep", progress=False
        ).resumed,
        "failed": [str(raised.status), raised.steps, raised.error],
        "branching": branched.curve.loss.tolist(),
        "same draws": float(
            train(task(model=dropped), 0.05, total_steps=20, progress=False).curve.loss[-1]
        ),
        "step": np.unique(step_losses()).tolist(),
        "kept": bool(torch.equal(random_before, torch.get_rng_state())),
        "not made": fails_to_be_made(),
        "sparse": sparse(),
        "normalised": normalised(),
    }
    of_this_rank = {"data": data_of_ranks()}
    (folder / f"{rank}.json").write_text(json.dumps([same_on_all, of_this_rank]))


if __name__ == "__main__":
    main()
