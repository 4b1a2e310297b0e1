"""A classifier of table rows, trained by learnrate's own loop: the shortest way.

    pip install 'learnrate[examples]'      # torch, scikit-learn
    python tabular.py                      # breast-cancer data of scikit-learn; half a minute
    python tabular.py --csv my.csv --total-steps 3000

A CSV has a header, numbers only, and the class (0, 1, ...) in its last column. Everything is written
to --out: plan.json, report.html, runs.db with the runs, and model.pt.
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

DEFAULT_RATE = 1e-3  # torch.optim.AdamW's own
SEEDS = (1, 2, 3)  # not the plan's
CRITERION = nn.CrossEntropyLoss(label_smoothing=0.1)  # few rows are soon known by heart


def main() -> None:
    """Describe the task, plan, train with some seeds at two rates, say what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--csv", type=Path, help="a table of numbers; scikit-learn's without it")
    parser.add_argument(
        "--total-steps", type=int, default=300, help="optimizer updates of a whole run"
    )
    parser.add_argument("--out", type=Path, default=Path("build/tabular"))
    asked = parser.parse_args()

    train, test = read_table(asked.csv)
    features, classes = train.tensors[0].shape[1], int(train.tensors[1].max()) + 1
    task = learnrate.Task(
        model=lambda: make_model(features, classes),
        loss=CRITERION,
        data=DataLoader(train, batch_size=32, shuffle=True, drop_last=True),
        optimizer=torch.optim.AdamW,
        validate=lambda model: evaluate(model, test)[0],
        total_steps=asked.steps,
        name="tabular",
    )

    plan = learnrate.plan(task, budget=0.5, out=asked.out)  # costs half a run; resumes if killed
    plan.write(asked.out / "plan.json")
    (asked.out / "report.html").write_text(plan_page(plan), encoding="utf-8")
    print(f"{plan}\n")

    store = asked.out / "runs.db"
    print(f"While it trains, from another shell: learnrate steer last scale 0.5 --store {store}\n")
    print(f"before: test loss {evaluate(make_model(features, classes), test)[0]:.3f}")
    for name, peak in (("planned", plan.peak), ("default", DEFAULT_RATE)):
        runs = [
            learnrate.train(task, peak / plan.peak * plan.schedule, seed=seed, store=store)
            for seed in SEEDS
        ]
        came_out = [evaluate(run.model, test) for run in runs if run.model is not None]
        loss, right = np.mean(came_out, axis=0)
        print(
            f"{name} peak {peak:.2g}: test loss {loss:.3f}, {right:.1%} right, {len(runs)} seeds"
        )
        if name == "planned":
            runs[0].save_weights(asked.out / "model.pt")
        for finding in learnrate.Store(store).findings(runs[0].run or ""):
            print(f"  {finding.code}: {finding.message} {finding.remedy}")

    print(f"\nmodel      {asked.out / 'model.pt'}")
    print(f"report     {asked.out / 'report.html'}  (open it in a browser)")
    print(f"dashboard  learnrate dashboard --store {store} --plans {asked.out}")


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
    """The criterion and the share that is right."""
    model.eval()
    with torch.no_grad():
        inputs, labels = rows.tensors
        scores = model(inputs)
        right = (scores.argmax(1) == labels).float().mean()
        return CRITERION(scores, labels).item(), right.item()


def read_table(file: Path | None) -> tuple[TensorDataset, TensorDataset]:
    """Rows of mean 0 and scale 1 a column, as the training rows have them; 30 % to test on."""
    if file is None:
        x, y = load_breast_cancer(return_X_y=True)
    else:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
        x, y = table[:, :-1], table[:, -1]
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    mean, scale = x.mean(0), x.std(0) + 1e-9
    rows = [torch.tensor((one - mean) / scale).float() for one in (x, x_test)]
    labels = [torch.tensor(one).long() for one in (y, y_test)]
    return TensorDataset(rows[0], labels[0]), TensorDataset(rows[1], labels[1])


if __name__ == "__main__":
    main()
