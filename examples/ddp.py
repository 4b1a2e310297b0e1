"""Data-parallel training in a plain loop: all ranks plan, train and apply edits together.

    pip install 'learnrate[examples]'      # torch, scikit-learn
    torchrun --nproc-per-node 2 ddp.py     # scikit-learn's digits, two processes on the CPU
    python ddp.py                          # the same script alone

The first rank writes the results to --out: plan.json, report.html, runs.db with the runs.
"""

import argparse
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.nn  # before the group exists, which it would keep alive
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import learnrate
from learnrate.report import plan_page

BATCH = 16  # images of one rank
DEFAULT_RATE = 1e-3  # the default of torch.optim.AdamW


def main() -> None:
    """Join the process group if there is one, plan, train at two rates, print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--total-steps", type=int, default=400, help="updates of a whole run")
    parser.add_argument("--out", type=Path, default=Path("build/ddp"))
    arguments = parser.parse_args()
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1:
        dist.init_process_group("gloo")  # nccl on GPUs

    train, held_out = digits()
    sampler: DistributedSampler[tuple[torch.Tensor, ...]]
    sampler = DistributedSampler(train, size, rank, drop_last=True)  # each rank has its share
    loader = DataLoader(train, batch_size=BATCH, sampler=sampler, drop_last=True)
    task = learnrate.Task(
        model=make_model,
        loss=nn.CrossEntropyLoss(),
        data=loader,
        optimizer=torch.optim.AdamW,
        validate=lambda model: evaluate(model, held_out)[0],
        total_steps=arguments.total_steps,
        name=f"ddp, {size} ranks",
    )
    plan = learnrate.plan(task, budget=0.5, out=arguments.out)  # all ranks make the same plan
    store = arguments.out / "runs.db"
    if rank == 0:
        plan.write(arguments.out / "plan.json")
        (arguments.out / "report.html").write_text(plan_page(plan), encoding="utf-8")
        print(f"{plan}\n\nAn update sees {size} x {BATCH} images; all ranks apply an edit.")
        steer = f"learnrate steer last scale 0.5 --store {store}"
        print(f"While it trains, from another shell: {steer}\n")

    for name, peak in (("planned", plan.peak), ("default", DEFAULT_RATE)):
        torch.manual_seed(1)  # the same initial weights for both
        model = make_model()
        before, _ = evaluate(model, held_out)
        findings = fit(model, loader, peak / plan.peak * plan.schedule, name, store)
        after, right = evaluate(model, held_out)
        if rank == 0:
            losses = f"held-out loss {before:.3f} -> {after:.3f}, {right:.1%} right"
            print("\n  ".join([f"{name} peak {peak:.2g}: {losses}", *findings]))

    if rank == 0:
        print(f"\nreport     {arguments.out / 'report.html'}  (open it in a browser)")
        print(f"dashboard  learnrate dashboard --store {store} --plans {arguments.out}")
    if size > 1:
        dist.destroy_process_group()


def fit(
    model: nn.Module,
    loader: DataLoader[tuple[torch.Tensor, ...]],
    schedule: learnrate.Schedule,
    name: str,
    store: Path,
) -> list[str]:
    """A plain loop; every rank attaches, and the first one records. Returns the findings."""
    parallel = DistributedDataParallel(model) if dist.is_initialized() else model
    optimizer, criterion = torch.optim.AdamW(parallel.parameters()), nn.CrossEntropyLoss()
    with learnrate.attach(optimizer, schedule, name=name, store=store, model=model) as run:
        for images, labels in passes(loader):
            optimizer.zero_grad()
            loss = criterion(parallel(images), labels)
            loss.backward()
            optimizer.step()
            run.step(loss)
            if run.done:
                break
    return [f"{finding.code}: {finding.message} {finding.remedy}" for finding in run.findings]


def passes(loader: DataLoader[tuple[torch.Tensor, ...]]) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches without end; each pass has another order."""
    for number in itertools.count():
        if isinstance(loader.sampler, DistributedSampler):
            loader.sampler.set_epoch(number)
        yield from loader


def make_model() -> nn.Module:
    """Two convolutions and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 10),
    )


@torch.no_grad()
def evaluate(model: nn.Module, images: TensorDataset) -> tuple[float, float]:
    """Mean cross-entropy and accuracy."""
    inputs, labels = images.tensors
    scores = model(inputs)
    right = (scores.argmax(1) == labels).float().mean()
    return nn.functional.cross_entropy(scores, labels).item(), right.item()


def digits() -> tuple[TensorDataset, TensorDataset]:
    """1,300 images for training, 497 for testing; the same on every rank."""
    x, y = load_digits(return_X_y=True)
    images = torch.tensor(x, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, held_out = order[:1300], order[1300:]
    labels = torch.tensor(y)
    return TensorDataset(images[train], labels[train]), TensorDataset(
        images[held_out], labels[held_out]
    )


if __name__ == "__main__":
    main()
