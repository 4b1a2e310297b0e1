"""Data-parallel training in a plain loop: every rank plans, trains and is steered alike.

    pip install 'learnrate[examples]'      # torch, scikit-learn
    torchrun --nproc-per-node 2 ddp.py     # scikit-learn's digits, two processes on the CPU
    python ddp.py                          # the same script alone

Everything is written to --out by the first rank: plan.json, report.html, runs.db with the runs.
"""

import argparse
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.nn  # ahead of the group, which it would keep alive past its end
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import learnrate
from learnrate.report import plan_page

BATCH = 16  # of one rank
DEFAULT_RATE = 1e-3  # torch.optim.AdamW's own


def main() -> None:
    """Join the group if there is one, plan, train at two rates, say what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--total-steps", type=int, default=400, help="optimizer updates of a whole run"
    )
    parser.add_argument("--out", type=Path, default=Path("build/ddp"))
    asked = parser.parse_args()
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1:
        dist.init_process_group("gloo")  # nccl on GPUs

    train, held_out = digits()
    sampler: DistributedSampler[tuple[torch.Tensor, ...]]
    sampler = DistributedSampler(train, size, rank, drop_last=True)  # each rank its own share
    loader = DataLoader(train, batch_size=BATCH, sampler=sampler, drop_last=True)
    task = learnrate.Task(
        model=make_model,
        loss=nn.CrossEntropyLoss(),
        data=loader,
        optimizer=torch.optim.AdamW,
        validate=lambda model: evaluate(model, held_out)[0],
        total_steps=asked.steps,
        name=f"ddp, {size} ranks",
    )
    plan = learnrate.plan(task, budget=0.5, out=asked.out)  # ranks train together, decide alike
    store = asked.out / "runs.db"
    if rank == 0:
        plan.write(asked.out / "plan.json")
        (asked.out / "report.html").write_text(plan_page(plan), encoding="utf-8")
        print(f"{plan}\n\nAn update sees {size} x {BATCH} images; an edit is obeyed by all ranks.")
        steer = f"learnrate steer last scale 0.5 --store {store}"
        print(f"While it trains, from another shell: {steer}\n")

    for name, peak in (("planned", plan.peak), ("default", DEFAULT_RATE)):
        torch.manual_seed(1)  # the same first weights for both
        model = make_model()
        before, _ = evaluate(model, held_out)
        found = fit(model, loader, peak / plan.peak * plan.schedule, name, store)
        after, right = evaluate(model, held_out)
        if rank == 0:
            losses = f"held-out loss {before:.3f} -> {after:.3f}, {right:.1%} right"
            print("\n  ".join([f"{name} peak {peak:.2g}: {losses}", *found]))

    if rank == 0:
        print(f"\nreport     {asked.out / 'report.html'}  (open it in a browser)")
        print(f"dashboard  learnrate dashboard --store {store} --plans {asked.out}")
    if size > 1:
        dist.destroy_process_group()


def fit(
    model: nn.Module,
    loader: DataLoader[tuple[torch.Tensor, ...]],
    schedule: learnrate.Schedule,
    name: str,
    store: Path,
) -> list[str]:
    """A plain loop; attach on every rank, and the first one records. Gives what was found."""
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
    return [f"{one.code}: {one.message} {one.remedy}" for one in run.findings]


def passes(loader: DataLoader[tuple[torch.Tensor, ...]]) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches, pass after pass, each in another order."""
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
    """Mean cross-entropy and the share that is right."""
    inputs, labels = images.tensors
    scores = model(inputs)
    right = (scores.argmax(1) == labels).float().mean()
    return nn.functional.cross_entropy(scores, labels).item(), right.item()


def digits() -> tuple[TensorDataset, TensorDataset]:
    """1,300 images to train on, 497 to test on; the same on every rank."""
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
