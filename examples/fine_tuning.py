"""Fine-tuning from a checkpoint with few labels: a lower rate for the first layers than for the last.

    pip install 'learnrate[examples]'      # torch, scikit-learn
    python fine_tuning.py                  # scikit-learn's digits; half a minute on one core

A network learns digits and is saved. The new images come from another scanner: fainter, noisy and
shifted by a pixel, and only 150 have labels. A new rate is planned, starting from the checkpoint.
The results are written to --out: plan.json, report.html, runs.db, pretrained.pt.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import learnrate
from learnrate.report import plan_page

DEFAULT_RATE = 1e-3  # the default of torch.optim.AdamW
FIRST_LAYERS = 0.3  # their rate, as a share of the last layer's
SEEDS = (1, 2, 3)  # other seeds than the plan's


def main() -> None:
    """Pre-train, plan from the checkpoint, fine-tune at two rates and from scratch, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--total-steps", type=int, default=200, help="updates of fine-tuning")
    parser.add_argument("--labels", type=int, default=150, help="images to fine-tune with")
    parser.add_argument("--out", type=Path, default=Path("build/fine_tuning"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    store, checkpoint = arguments.out / "runs.db", arguments.out / "pretrained.pt"

    clean, few, held_out = read_digits(arguments.labels)
    before = task_of(clean, clean, 3 * arguments.total_steps, 32, "pre-training")
    pretrained = learnrate.train(before, "1e-2 * warmup(5%) >> linear()", store=store)
    pretrained.save_weights(checkpoint)
    loss, right = evaluate(pretrained.model, held_out)
    print(f"pre-trained, {checkpoint}; on the new images: loss {loss:.3f}, {right:.1%} right\n")

    scratch = task_of(few, held_out, arguments.total_steps, 10, "from scratch")
    tuned = task_of(few, held_out, arguments.total_steps, 10, "fine-tuning").starting_from(
        checkpoint
    )
    plan = learnrate.plan(tuned, budget=0.5, out=arguments.out)  # costs half a run; can be resumed
    plan.write(arguments.out / "plan.json")
    (arguments.out / "report.html").write_text(plan_page(plan), encoding="utf-8")
    print(
        f"{plan}\n\nThis is the rate of the last layer; the first layers have {FIRST_LAYERS:g} of it."
    )
    print(f"While it trains, from another shell: learnrate steer last scale 0.5 --store {store}\n")

    for label, task, peak in (
        ("fine-tuned at the planned rate", tuned, plan.peak),
        ("fine-tuned at the default rate", tuned, DEFAULT_RATE),
        ("from scratch at the planned rate", scratch, plan.peak),
    ):
        schedule = peak / plan.peak * plan.schedule
        runs = [learnrate.train(task, schedule, seed=seed, store=store) for seed in SEEDS]
        loss, right = np.mean([evaluate(run.model, held_out) for run in runs], axis=0)
        print(f"{label} {peak:.2g}: loss {loss:.3f}, {right:.1%} right, {len(runs)} seeds")
        for finding in learnrate.Store(store).findings(runs[0].run or ""):
            print(f"  {finding.code}: {finding.message} {finding.remedy}")

    print(f"\nreport     {arguments.out / 'report.html'}  (open it in a browser)")
    print(f"dashboard  learnrate dashboard --store {store} --plans {arguments.out}")


def task_of(
    train: TensorDataset, validation: TensorDataset, total_steps: int, batch: int, name: str
) -> learnrate.Task:
    """A task with the network and the optimizer of this example, on some images."""
    return learnrate.Task(
        model=make_model,
        loss=nn.CrossEntropyLoss(),
        data=DataLoader(train, batch_size=batch, shuffle=True, drop_last=True),
        optimizer=make_optimizer,
        validate=lambda model: evaluate(model, validation)[0],
        total_steps=total_steps,
        name=name,
    )


def make_model() -> nn.Module:
    """Two convolutions, then a linear layer."""
    first = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
    )
    return nn.Sequential(first, nn.Linear(32 * 4 * 4, 10))


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """A group for the first layers and one for the last; schedules keep the ratio of their rates."""
    first, last = model.children()
    return torch.optim.AdamW(
        [
            {"params": first.parameters(), "lr": FIRST_LAYERS * DEFAULT_RATE},
            {"params": last.parameters(), "lr": DEFAULT_RATE},
        ]
    )


def evaluate(model: nn.Module | None, images: TensorDataset) -> tuple[float, float]:
    """Mean cross-entropy and accuracy."""
    if model is None:  # the training failed; the error of its curve says why
        raise SystemExit(1)
    model.eval()
    with torch.no_grad():
        inputs, labels = images.tensors
        scores = model(inputs)
        right = (scores.argmax(1) == labels).float().mean()
        return nn.functional.cross_entropy(scores, labels).item(), right.item()


def read_digits(few: int) -> tuple[TensorDataset, TensorDataset, TensorDataset]:
    """1,000 clean images; a few images from another scanner for training; the rest of those."""
    x, y = load_digits(return_X_y=True)
    draws = torch.Generator().manual_seed(0)
    order = torch.randperm(len(x), generator=draws)
    images, labels = (
        torch.tensor(x[order]).float().reshape(-1, 1, 8, 8) / 16,
        torch.tensor(y[order]),
    )
    noise = torch.rand(images.shape, generator=draws)
    other = 0.6 * images.roll(1, dims=3) + 0.4 * noise
    clean = TensorDataset(images[:1000], labels[:1000])
    new, rest = slice(1000, 1000 + few), slice(1000 + few, None)
    return clean, TensorDataset(other[new], labels[new]), TensorDataset(other[rest], labels[rest])


if __name__ == "__main__":
    main()
