"""Is the scaled rate right? 1,911 language-model trainings, one model size and horizon left out.

For each of the 17 pairs of model size N and tokens D, every method is fitted to the other 16 pairs and
predicts a rate for every batch size of the pair left out. Its loss is interpolated between the runs of
that batch size, linearly in ln(lr), and compared with the lowest loss.

    python benchmarks/scaling_steplaw.py --data ../shared/data [--page docs/how-to/scaling.md]

The table is `steplaw_dense.csv.gz`, from github.com/step-law/steplaw (arXiv:2503.04715).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _page import parser_of, show
from _page import table as markdown

from learnrate.scaling import Fit, GroupOptimum, Runs, find_optima, fit, read_runs, step_law

FILE = "steplaw_dense.csv.gz"
LARGE = 1e9  # parameters: the methods are fitted to smaller models and tested on larger ones
COLUMNS = {"loss": "smooth loss", "N": "N", "D": "D", "B": "bs"}

Law = Callable[[dict[str, float]], float]


@dataclass(frozen=True)
class RunGroup:
    """The runs with the same model, horizon and batch: rates in ln, increasing, and losses."""

    factors: dict[str, float]
    x: np.ndarray
    y: np.ndarray

    @property
    def enclosed(self) -> bool:
        """Whether the best rate is neither the lowest nor the highest."""
        return 0 < int(np.argmin(self.y)) < len(self.y) - 1

    def excess(self, lr: float) -> float:
        """The loss at `lr` over the lowest loss, less 1; outside the grid that of its end."""
        return float(np.interp(np.log(lr), self.x, self.y) / self.y.min() - 1)


def groups_of(runs: Runs) -> list[RunGroup]:
    """The runs, grouped by model, horizon and batch."""
    keys = np.stack(list(runs.factors.values()), axis=1)
    groups = []
    for values in np.unique(keys, axis=0):
        rows = np.flatnonzero((keys == values).all(axis=1))
        rows = rows[np.argsort(runs.lr[rows])]
        factors = dict(zip(runs.factors, map(float, values), strict=True))
        groups.append(RunGroup(factors, np.log(runs.lr[rows]), runs.loss[rows]))
    return groups


def selected(runs: Runs, keep: np.ndarray) -> Runs:
    """The runs for which `keep` is true."""
    factors = {name: values[keep] for name, values in runs.factors.items()}
    return Runs(runs.lr[keep], runs.loss[keep], factors, runs.columns)


def log_linear(optima: tuple[GroupOptimum, ...]) -> Law:
    """Ordinary least squares of ln lr* on ln N, ln D and ln B."""
    rows = np.array([[1.0, *np.log(list(optimum.factors.values()))] for optimum in optima])
    logs = np.log([optimum.lr for optimum in optima])
    solution, *_ = np.linalg.lstsq(rows, logs, rcond=None)
    return lambda factors: float(np.exp(solution @ [1.0, *np.log(list(factors.values()))]))


def unscaled(optima: tuple[GroupOptimum, ...]) -> Law:
    """One rate for all: the median of the best rates."""
    middle = float(np.exp(np.median(np.log([optimum.lr for optimum in optima]))))
    return lambda _: middle


def methods(fitted: Fit) -> dict[str, Law]:
    """The methods by name, all fitted to the same runs."""
    return {
        "learnrate.scaling.fit": lambda factors: fitted.predict(**factors).lr,
        "log-linear fit": log_linear(fitted.optima),
        "Step Law, as published": lambda factors: step_law(factors["N"], factors["D"]),
        "no scaling": unscaled(fitted.optima),
    }


def figures(excess: list[float]) -> list[str]:
    """Median, 90th percentile and worst, in percent."""
    percent = 100 * np.array(excess)
    summary = (np.median(percent), np.quantile(percent, 0.9), percent.max())
    return [f"{figure:.3f}" for figure in summary]


@dataclass(frozen=True)
class ExcessLosses:
    """Excess losses of each method, and whether the interval covers the best rate of each group.

    Attributes:
        enclosed: excess over the lowest loss, for groups whose best rate is enclosed.
        every: the same for all groups.
        covered: one for each enclosed group.
    """

    enclosed: dict[str, list[float]]
    every: dict[str, list[float]]
    covered: list[bool]

    @property
    def coverage(self) -> str:
        """How often the interval covers the best rate, in percent."""
        return f"{100 * sum(self.covered) / len(self.covered):.0f} %"


def measure(runs: Runs, splits: list[np.ndarray]) -> ExcessLosses:
    """Fit without each of the splits in turn, and compare the predictions there with the runs."""
    enclosed: dict[str, list[float]] = defaultdict(list)
    every: dict[str, list[float]] = defaultdict(list)
    covered = []
    for left_out in splits:
        fitted = fit(selected(runs, ~left_out), progress=False)
        test_runs = selected(runs, left_out)
        for group in groups_of(test_runs):
            for name, law in methods(fitted).items():
                excess = group.excess(law(group.factors))
                every[name].append(excess)
                enclosed[name].extend([excess] * group.enclosed)
        for best in find_optima(test_runs):
            scaled = fitted.predict(**best.factors)
            covered.extend([scaled.low <= best.lr <= scaled.high] * (not best.edge))
    return ExcessLosses(enclosed, every, covered)


def report(runs: Runs) -> str:
    """Both tables, in Markdown."""
    sizes, tokens = runs.factors["N"], runs.factors["D"]
    pairs = np.unique(np.stack([sizes, tokens], axis=1), axis=0)
    left_out = measure(runs, [(sizes == size) & (tokens == horizon) for size, horizon in pairs])
    larger = measure(runs, [sizes >= LARGE])
    groups = len(next(iter(left_out.every.values())))
    columns = ["median", "90th percentile", "worst"]
    rows = [
        [name, *figures(excess), *figures(left_out.every[name])]
        for name, excess in left_out.enclosed.items()
    ]
    beyond = [[name, *figures(excess)] for name, excess in larger.enclosed.items()]
    splits = f"{len(pairs)} pairs of model size and tokens, each left out in turn"
    parts = [
        f"{len(runs.lr):,} runs, {splits}: {len(left_out.covered)} groups with an enclosed best rate, of {groups}.",
        markdown(["excess loss, %", *columns, *(f"{column}, all" for column in columns)], rows),
        f"learnrate's 80 % interval covers the best rate of {left_out.coverage} of the enclosed groups.",
        "Fitted to the models below a billion parameters, tested at 1.07 billion:",
        markdown(["excess loss, %", *columns], beyond),
        f"There the interval covers {larger.coverage}.",
    ]
    return "\n\n".join(parts)


def main() -> None:
    """Measure and print; write the page if there is one."""
    parser = parser_of(__doc__)
    folder = os.environ.get("LEARNRATE_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(folder), help=f"folder of {FILE}")
    arguments = parser.parse_args()
    file = arguments.data / FILE
    if not file.exists():
        raise SystemExit(f"{file} does not exist; set its folder with --data or LEARNRATE_DATA.")
    show(report(read_runs(file, COLUMNS)), arguments.page, "steplaw")


if __name__ == "__main__":
    main()
