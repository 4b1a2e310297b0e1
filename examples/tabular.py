"""A classifier of table rows, trained by learnrate's loop: the shortest example.

    pip install 'learnrate[examples]'      # torch, scikit-learn
    python tabular.py                      # breast-cancer data of scikit-learn; half a minute
    python tabular.py --csv my.csv --total-steps 3000

The CSV file has a header, numbers only, and the class (0, 1, ...) in its last column. The results are
written to --out: plan.json, report.html, runs.db with the runs, and model.pt.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import learnrate
from learnrate.report import plan_page

DEFAULT_RATE = 1e-3  # the default of torch.optim.AdamW
SEEDS = (1, 2, 3)  # other seeds than the plan's
CRITERION = nn.CrossEntropyLoss(label_smoothing=0.1)  # few rows are soon memorised


def main() -> None:
    """Describe the task, plan, train with some seeds at two rates, print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--csv", type=Path, help="a table of numbers; by default scikit-learn's")
    parser.add_argument("--total-steps", type=int, default=300, help="updates of a whole run")
    parser.add_argument("--out", type=Path, default=Path("build/tabular"))
    arguments = parser.parse_args()

    train, test = read_table(arguments.csv)
    features, classes = train.tensors[0].shape[1], int(train.tensors[1].max()) + 1
    task = learnrate.Task(
        model=lambda: make_model(features, classes),
        loss=CRITERION,
        data=DataLoader(train, batch_size=32, shuffle=True, drop_last=True),
        optimizer=torch.optim.AdamW,
        validate=lambda model: evaluate(model, test)[0],
        total_steps=arguments.total_steps,
        name="tabular",
    )

    plan = learnrate.plan(task, budget=0.5, out=arguments.out)  # costs half a run; can be resumed
    plan.write(arguments.out / "plan.json")
    (arguments.out / "report.html").write_text(plan_page(plan), encoding="utf-8")
    print(f"{plan}\n")

    store = arguments.out / "runs.db"
    print(f"While it trains, from another shell: learnrate steer last scale 0.5 --store {store}\n")
    print(f"before: test loss {evaluate(make_model(features, classes), test)[0]:.3f}")
    for name, peak in (("planned", plan.peak), ("default", DEFAULT_RATE)):
        runs = [
            learnrate.train(task, peak / plan.peak * plan.schedule, seed=seed, store=store)
            for seed in SEEDS
        ]
        results = [evaluate(run.model, test) for run in runs if run.model is not None]
        loss, right = np.mean(results, axis=0)
        print(
            f"{name} peak {peak:.2g}: test loss {loss:.3f}, {right:.1%} right, {len(runs)} seeds"
        )
        if name == "planned":
            runs[0].save_weights(arguments.out / "model.pt")
        for finding in learnrate.Store(store).findings(runs[0].run or ""):
            print(f"  {finding.code}: {finding.message} {finding.remedy}")

    print(f"\nmodel      {arguments.out / 'model.pt'}")
    print(f"report     {arguments.out / 'report.html'}  (open it in a browser)")
    print(f"dashboard  learnrate dashboard --store {store} --plans {arguments.out}")


def make_model(features: int, classes: int) -> nn.Module:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(features, 64),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(64, classes),
    )


def evaluate(model: nn.Module, rows: TensorDataset) -> tuple[float, float]:
    """The loss and the accuracy."""
    model.eval()
    with torch.no_grad():
        inputs, labels = rows.tensors
        scores = model(inputs)
        right = (scores.argmax(1) == labels).float().mean()
        return CRITERION(scores, labels).item(), right.item()


def read_table(file: Path | None) -> tuple[TensorDataset, TensorDataset]:
    """Rows scaled so that each training column has mean 0 and deviation 1; 30 % are for testing."""
    if file is None:
        x, y = load_breast_cancer(return_X_y=True)
    else:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
        x, y = table[:, :-1], table[:, -1]
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    mean, scale = x.mean(0), x.std(0) + 1e-9
    rows = [torch.tensor((part - mean) / scale).float() for part in (x, x_test)]
    labels = [torch.tensor(part).long() for part in (y, y_test)]
    return TensorDataset(rows[0], labels[0]), TensorDataset(rows[1], labels[1])


if __name__ == "__main__":
    main()
