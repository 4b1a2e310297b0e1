"""DistributedDataParallel: two processes, of which the first records, saves and steers."""

import os

import torch
import torch.distributed.nn  # ahead of the group, which it would keep alive past its end
from torch import distributed
from torch.nn.parallel import DistributedDataParallel


def train(session):
    meeting = session.folder / f"ddp.{session.mode}.meeting"
    other = os.fork()
    rank = int(other == 0)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=2
    )
    try:
        loop(session, rank)
        distributed.destroy_process_group()
    finally:
        if rank:
            os._exit(0)
    os.waitpid(other, 0)


def loop(session, rank):
    torch.manual_seed(0)
    x = torch.randn(2304, 6)
    y = x.sum(1, keepdim=True)
    model = DistributedDataParallel(torch.nn.Linear(6, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    run = session.attach(optimizer, model=model)
    parts = {"model": model, "optimizer": optimizer, "run": run}
    for step in range(session.load(**parts), session.updates):
        rows = torch.arange(32 * step, 32 * step + 32)[rank::2]
        optimizer.zero_grad()
        loss = (model(x[rows]) - y[rows]).square().mean()
        loss.backward()
        optimizer.step()
        mean = loss.detach().clone()
        distributed.all_reduce(mean)
        if rank == 0:
            session.log(step, mean / 2)
        run.step(mean / 2)
        if rank == 0:
            session.save(step + 1, **parts)
        distributed.barrier()
    run.finish()
