"""What tests/trials/test_split_weights.py starts on two ranks: python split_job.py FOLDER."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import torch
import torch.distributed.nn  # before the group, which it would otherwise keep alive
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard

import learnrate

X = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 1))


def split_model():
    return fully_shard(make_model(), mesh=init_device_mesh("cpu", (2,)))


def error_of(call):
    """What a call raises, in words."""
    try:
        call()
    except learnrate.LearnrateError as error:
        return str(error)
    return ""


def usual_of(model):
    return learnrate.usual_rate(torch.optim.AdamW(model.parameters())).lr


def found_in_a_loop(model):
    """A range test of a loop: its usual rate, and whether the weights are as before."""
    optimizer = torch.optim.AdamW(model.parameters())
    before = [weight.full_tensor().clone() for weight in model.parameters()]

    def update_at(lr):
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        loss = (model(X) - X.sum(1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    tested = learnrate.find(
        step=update_at, state=[model, optimizer], iters=20, repeats=1, progress=False
    )
    after = [weight.full_tensor() for weight in model.parameters()]
    return tested.usual.lr, all(map(torch.equal, before, after))


def planned(make):
    task = learnrate.Task(
        model=make,
        loss=nn.MSELoss(),
        data=[(X, X.sum(1, keepdim=True))],
        optimizer=torch.optim.AdamW,
        total_steps=20,
    )
    return learnrate.plan(task, progress=False)


def main():
    distributed.init_process_group("gloo")
    split = split_model()
    usual, is_restored = found_in_a_loop(split)
    flat = FullyShardedDataParallel(make_model(), device_id=torch.device("cpu"))
    results = {
        "whole": usual_of(make_model()),
        "split": usual_of(split),
        "found": usual,
        "restored": is_restored,
        "flat": error_of(partial(usual_of, flat)),
        "planned": error_of(partial(planned, split_model)),
    }
    folder, rank = Path(sys.argv[1]), os.environ["RANK"]
    (folder / f"{rank}.json").write_text(json.dumps(results))
    del split, flat  # which hold the group, and so its threads
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
