"""An image classifier in a PyTorch loop of your own: plan the rate, train, watch, compare.

    pip install 'learnrate[examples]'      # torch, scikit-learn
    python image_classifier.py             # scikit-learn's digits; under a minute on one core
    python image_classifier.py --data cifar10.npz --total-steps 2000

An .npz holds x_train, y_train, x_test and y_test: images of shape (N, height, width, channels) as bytes,
labels from 0. The results are written to --out: plan.json, report.html, and runs.db with the runs.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import learnrate
from learnrate.report import plan_page

USUAL = 0.1  # a common first rate for SGD; torch's default is 1e-3


def main() -> None:
    """Describe the task, plan, train at the planned and at the usual rate, print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="an .npz file of images; by default digits")
    parser.add_argument("--total-steps", type=int, default=600, help="updates of a whole run")
    parser.add_argument("--out", type=Path, default=Path("build/image_classifier"))
    arguments = parser.parse_args()

    train, test = read_images(arguments.data)
    loader = DataLoader(train, batch_size=64, shuffle=True, drop_last=True)
    channels, classes = train.tensors[0].shape[1], int(train.tensors[1].max()) + 1
    task = learnrate.Task(
        model=lambda: make_model(channels, classes),
        loss=nn.CrossEntropyLoss(),
        data=loader,
        optimizer=make_optimizer,
        validate=lambda model: evaluate(model, test)[0],
        total_steps=arguments.total_steps,
        name="image classifier",
    )

    plan = learnrate.plan(task, budget=0.5, out=arguments.out)  # costs half a run; can be resumed
    plan.write(arguments.out / "plan.json")
    (arguments.out / "report.html").write_text(plan_page(plan), encoding="utf-8")
    print(f"{plan}\n")

    store = arguments.out / "runs.db"
    print(f"While it trains, from another shell: learnrate steer last scale 0.5 --store {store}\n")
    for name, peak in (("planned", plan.peak), ("usual", USUAL)):
        torch.manual_seed(1)  # the same initial weights and batches for both
        model = make_model(channels, classes)
        before, _ = evaluate(model, test)
        fit(model, loader, peak / plan.peak * plan.schedule, name, store)
        after, accuracy = evaluate(model, test)
        print(
            f"{name} peak {peak:.2g}: test loss {before:.3f} -> {after:.3f}, {accuracy:.1%} right"
        )
        torch.save(model.state_dict(), arguments.out / f"{name}.pt")

    print(f"\nreport     {arguments.out / 'report.html'}  (open it in a browser)")
    print(f"dashboard  learnrate dashboard --store {store} --plans {arguments.out}")


def fit(
    model: nn.Module,
    loader: DataLoader[tuple[torch.Tensor, ...]],
    schedule: learnrate.Schedule,
    name: str,
    store: Path,
) -> None:
    """An ordinary loop; `run` sets the rate, records, watches, and applies `learnrate steer`."""
    optimizer, criterion = make_optimizer(model), nn.CrossEntropyLoss()
    model.train()
    with learnrate.attach(optimizer, schedule, name=name, store=store, model=model) as run:
        for images, labels in endless(loader):
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            run.step(loss)
            if run.done:
                break
    for finding in run.findings:
        print(f"  {finding.code}: {finding.message} {finding.remedy}")


def make_model(channels: int, classes: int) -> nn.Module:
    """Three convolutions with BatchNorm, for images of any size."""
    layers: list[nn.Module] = []
    for width, stride in ((16, 1), (32, 2), (64, 2)):
        layers += [nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """SGD with momentum; the schedule overwrites the rate."""
    return torch.optim.SGD(model.parameters(), lr=USUAL, momentum=0.9, weight_decay=5e-4)


def evaluate(model: nn.Module, images: TensorDataset) -> tuple[float, float]:
    """Mean cross-entropy and accuracy."""
    model.eval()
    with torch.no_grad():
        inputs, labels = images.tensors
        scores = torch.cat([model(part) for part in inputs.split(500)])
        right = (scores.argmax(1) == labels).float().mean()
        return nn.functional.cross_entropy(scores, labels).item(), right.item()


def endless(loader: DataLoader[tuple[torch.Tensor, ...]]) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches without end."""
    while True:
        yield from loader


def read_images(file: Path | None) -> tuple[TensorDataset, TensorDataset]:
    """Training and test images with mean 0 and standard deviation 1, channels first."""
    if file is None:
        x, y = load_digits(return_X_y=True)
        x = x.reshape(-1, 8, 8, 1)
        x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=0)
    else:
        with np.load(file) as arrays:
            x, y, x_test, y_test = (arrays[n] for n in ("x_train", "y_train", "x_test", "y_test"))
    mean, scale = x.mean(), x.std()
    images = [torch.tensor((part - mean) / scale).float().movedim(3, 1) for part in (x, x_test)]
    labels = [torch.tensor(part).long().flatten() for part in (y, y_test)]
    return TensorDataset(images[0], labels[0]), TensorDataset(images[1], labels[1])


if __name__ == "__main__":
    main()
