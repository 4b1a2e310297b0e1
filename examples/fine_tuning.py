"""Fine-tuning from a checkpoint with few labels: a lower rate for the first layers than for the last.

    pip install 'learnrate[examples]'      # torch, scikit-learn
    python fine_tuning.py                  # scikit-learn's digits; half a minute on one core

A network learns digits and is saved. Then the images come from another scanner: fainter, noisy and a
pixel to the right, and only 150 have labels. The rate is planned anew, from the checkpoint on.
Everything is written to --out: plan.json, report.html, runs.db, pretrained.pt.
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

DEFAULT_RATE = 1e-3  # torch.optim.AdamW's own
FIRST_LAYERS = 0.3  # their rate, as a share of the last layer's
SEEDS = (1, 2, 3)  # not the plan's


def main() -> None:
    """Pre-train, plan from the checkpoint, fine-tune at two rates and from scratch, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--total-steps", type=int, default=200, help="optimizer updates of fine-tuning"
    )
    parser.add_argument("--labels", type=int, default=150, help="images to fine-tune with")
    parser.add_argument("--out", type=Path, default=Path("build/fine_tuning"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    store, checkpoint = asked.out / "runs.db", asked.out / "pretrained.pt"

    clean, few, held_out = read_digits(asked.labels)
    before = task_of(clean, clean, 3 * asked.steps, 32, "pre-training")
    pretrained = learnrate.train(before, "1e-2 * warmup(5%) >> linear()", store=store)
    pretrained.save_weights(checkpoint)
    loss, right = evaluate(pretrained.model, held_out)
    print(f"pre-trained, {checkpoint}; on the new images: loss {loss:.3f}, {right:.1%} right\n")

    scratch = task_of(few, held_out, asked.steps, 10, "from scratch")
    tuned = task_of(few, held_out, asked.steps, 10, "fine-tuning").starting_from(checkpoint)
    plan = learnrate.plan(tuned, budget=0.5, out=asked.out)  # costs half a run; resumes if killed
    plan.write(asked.out / "plan.json")
    (asked.out / "report.html").write_text(plan_page(plan), encoding="utf-8")
    print(f"{plan}\n\nThat is the last layer's rate; the first ones have {FIRST_LAYERS:g} of it.")
    print(f"While it trains, from another shell: learnrate steer last scale 0.5 --store {store}\n")

    for words, task, peak in (
        ("fine-tuned at the planned rate", tuned, plan.peak),
        ("fine-tuned at the default rate", tuned, DEFAULT_RATE),
        ("from scratch at the planned rate", scratch, plan.peak),
    ):
        schedule = peak / plan.peak * plan.schedule
        runs = [learnrate.train(task, schedule, seed=seed, store=store) for seed in SEEDS]
        loss, right = np.mean([evaluate(run.model, held_out) for run in runs], axis=0)
        print(f"{words} {peak:.2g}: loss {loss:.3f}, {right:.1%} right, {len(runs)} seeds")
        for finding in learnrate.Store(store).findings(runs[0].run or ""):
            print(f"  {finding.code}: {finding.message} {finding.remedy}")

    print(f"\nreport     {asked.out / 'report.html'}  (open it in a browser)")
    print(f"dashboard  learnrate dashboard --store {store} --plans {asked.out}")


def task_of(
    train: TensorDataset, judge: TensorDataset, steps: int, batch: int, name: str
) -> learnrate.Task:
    """What is trained: the same network and optimizer each time, on some images."""
    return learnrate.Task(
        model=make_model,
        loss=nn.CrossEntropyLoss(),
        data=DataLoader(train, batch_size=batch, shuffle=True, drop_last=True),
        optimizer=make_optimizer,
        validate=lambda model: evaluate(model, judge)[0],
        total_steps=steps,
        name=name,
    )


def make_model() -> nn.Module:
    """Two convolutions first, a linear layer last."""
    first = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
    )
    return nn.Sequential(first, nn.Linear(32 * 4 * 4, 10))


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """A group for the first layers and one for the last; a schedule keeps their rates' ratio."""
    first, last = model.children()
    return torch.optim.AdamW(
        [
            {"params": first.parameters(), "lr": FIRST_LAYERS * DEFAULT_RATE},
            {"params": last.parameters(), "lr": DEFAULT_RATE},
        ]
    )


def evaluate(model: nn.Module | None, images: TensorDataset) -> tuple[float, float]:
    """Mean cross-entropy and the share that is right."""
    if model is None:  # it could not be made: the curve's error says why
        raise SystemExit(1)
    model.eval()
    with torch.no_grad():
        inputs, labels = images.tensors
        scores = model(inputs)
        right = (scores.argmax(1) == labels).float().mean()
        return nn.functional.cross_entropy(scores, labels).item(), right.item()


def read_digits(few: int) -> tuple[TensorDataset, TensorDataset, TensorDataset]:
    """1,000 clean images; of the others, from another scanner, a few to learn from and the rest."""
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
