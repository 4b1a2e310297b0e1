"""What tests/trials/test_torchrun.py starts on two ranks: python torchrun_job.py FOLDER."""

import dataclasses
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from learnrate import Task, find, plan, sweep, train

X = torch.randn(128, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = (X.sum(1) > 0).long()


def batches(size):
    return [(X[at : at + size], Y[at : at + size]) for at in range(0, 128, size)]


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
        "steps": 200,
    }
    return Task(**(settings | changes))


def dropped():
    return nn.Sequential(nn.Linear(6, 64).double(), nn.Dropout(0.5), nn.Linear(64, 2).double())


def rates_of_each_step(one):
    seen = []

    def made(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        optimizer.register_step_pre_hook(lambda o, a, k: seen.append(o.param_groups[0]["lr"]))
        return optimizer

    train(dataclasses.replace(one, optimizer=made), "0.1 * warmup(5%) >> linear()", steps=40)
    return seen


def branching():
    """A loss in which each rank uses another part of the model."""
    rank = int(os.environ.get("RANK", "0"))

    def loss(model, batch):
        hidden = torch.tanh(model.first(batch[0]))
        out = model.last(hidden + model.unused(hidden) if rank else hidden)
        return nn.functional.cross_entropy(out, batch[1])

    return task(loss=loss)


def fails_on_one_rank():
    rank, seen = int(os.environ.get("RANK", "0")), [0]

    def loss(model, batch):
        seen[0] += 1
        if rank == 1 and seen[0] > 30:
            raise ValueError("a bad record")
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    return train(task(loss=loss), 0.1, steps=100, progress=False).curve


def step_losses():
    """Any loop: each rank's own losses, of which the range test sees the mean."""
    rank = int(os.environ.get("RANK", "0"))
    return find(step=lambda lr: 1.0 + rank + 0.0 * lr, repeats=1, iters=10).loss


def main():
    folder = Path(sys.argv[1])
    rank = int(os.environ.get("RANK", "0"))
    random_before = torch.get_rng_state()
    trained = train(task(), "0.05 * warmup(5%) >> linear()", steps=60, progress=False)
    clipped = task(clip_norm=0.05, accumulate=2)
    found = find(task(), iters=60, repeats=2, progress=False)
    planned = plan(task(), out=folder / f"plan-{rank}", progress=False)
    swept = sweep(
        task(), [0.001, 0.01, 0.1], seeds=2, steps=30, out=folder / "sweep", progress=False
    )
    raised = fails_on_one_rank()
    uses = train(branching(), 0.05, steps=20, progress=False)
    says = {
        "loss": trained.curve.loss.tolist(),
        "validation": trained.curve.validation,
        "weights": [float(one.detach().sum()) for one in trained.model.parameters()],
        "clipped": train(clipped, 0.05, steps=20, progress=False).curve.loss.tolist(),
        "rates": rates_of_each_step(task()),
        "find": found.to_dict(),
        "plan": planned.to_dict(),
        "sweep": swept.to_dict(),
        "again": sweep(
            task(), [0.001, 0.01], seeds=2, steps=30, out=folder / "sweep", progress=False
        ).resumed,
        "failed": [str(raised.status), raised.steps, raised.error],
        "branching": uses.curve.loss.tolist(),
        "same draws": float(
            train(task(model=dropped), 0.05, steps=20, progress=False).curve.loss[-1]
        ),
        "step": np.unique(step_losses()).tolist(),
        "kept": bool(torch.equal(random_before, torch.get_rng_state())),
    }
    (folder / f"{rank}.json").write_text(json.dumps(says))


if __name__ == "__main__":
    main()
