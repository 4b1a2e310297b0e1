"""Is the scaled rate right? 1,911 language-model trainings, one model size and horizon left out.

For each of the 17 pairs of model size N and tokens D, everything is fitted to the other 16, then
each method names a rate at every batch size of the pair left out. Its loss is read off the runs made
there, linear in ln(lr) between two of them, and compared with the lowest loss of that batch size.

    python benchmarks/scaling_steplaw.py --data ../shared/data [--page docs/how-to/scaling.md]

The table is `steplaw_dense.csv.gz`, from github.com/step-law/steplaw (arXiv:2503.04715).
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _page import table as markdown
from _page import write_section

from learnrate.scaling import Fit, GroupOptimum, Runs, find_optima, fit, read_runs, step_law

FILE = "steplaw_dense.csv.gz"
LARGE = 1e9  # parameters: the models fitted to are smaller, those asked about are not
COLUMNS = {"loss": "smooth loss", "N": "N", "D": "D", "B": "bs"}

Law = Callable[[dict[str, float]], float]


@dataclass(frozen=True)
class Group:
    """The runs that share model, horizon and batch: rates in ln, increasing, and their losses."""

    factors: dict[str, float]
    x: np.ndarray
    y: np.ndarray

    @property
    def enclosed(self) -> bool:
        """Whether the best rate is neither the lowest nor the highest tried."""
        return 0 < int(np.argmin(self.y)) < len(self.y) - 1

    def excess(self, lr: float) -> float:
        """Loss at `lr` over the lowest, as a share; beyond the rates tried that of the last one."""
        return float(np.interp(np.log(lr), self.x, self.y) / self.y.min() - 1)


def groups_of(runs: Runs) -> list[Group]:
    """The runs by model, horizon and batch."""
    keys = np.stack(list(runs.factors.values()), axis=1)
    found = []
    for values in np.unique(keys, axis=0):
        own = np.flatnonzero((keys == values).all(axis=1))
        own = own[np.argsort(runs.lr[own])]
        factors = dict(zip(runs.factors, map(float, values), strict=True))
        found.append(Group(factors, np.log(runs.lr[own]), runs.loss[own]))
    return found


def chosen(runs: Runs, keep: np.ndarray) -> Runs:
    """Some of the runs."""
    factors = {name: values[keep] for name, values in runs.factors.items()}
    return Runs(runs.lr[keep], runs.loss[keep], factors, runs.columns)


def log_linear(optima: tuple[GroupOptimum, ...]) -> Law:
    """Ordinary least squares of ln lr* on ln N, ln D and ln B."""
    rows = np.array([[1.0, *np.log(list(one.factors.values()))] for one in optima])
    solved, *_ = np.linalg.lstsq(rows, np.log([one.lr for one in optima]), rcond=None)
    return lambda at: float(np.exp(solved @ [1.0, *np.log(list(at.values()))]))


def unscaled(optima: tuple[GroupOptimum, ...]) -> Law:
    """One rate for all: the middle of the best ones."""
    middle = float(np.exp(np.median(np.log([one.lr for one in optima]))))
    return lambda _: middle


def methods(fitted: Fit) -> dict[str, Law]:
    """What names a rate, by name, each fitted to the same runs."""
    return {
        "learnrate.scaling.fit": lambda at: fitted.predict(**at).lr,
        "log-linear fit": log_linear(fitted.optima),
        "Step Law, as published": lambda at: step_law(at["N"], at["D"]),
        "no scaling": unscaled(fitted.optima),
    }


def figures(excess: list[float]) -> list[str]:
    """Median, 90th percentile and worst, in percent."""
    share = 100 * np.array(excess)
    return [f"{one:.3f}" for one in (np.median(share), np.quantile(share, 0.9), share.max())]


@dataclass(frozen=True)
class Measured:
    """Excess losses of each method, and whether the interval held the best rate of each group.

    Attributes:
        enclosed: excess over the lowest loss, of groups whose best rate is enclosed.
        every: the same of all groups.
        held: one for each enclosed group.
    """

    enclosed: dict[str, list[float]]
    every: dict[str, list[float]]
    held: list[bool]

    @property
    def share_held(self) -> str:
        """How often the interval held, in percent."""
        return f"{100 * sum(self.held) / len(self.held):.0f} %"


def measure(runs: Runs, splits: list[np.ndarray]) -> Measured:
    """Fit without each of the splits in turn, and judge what each method names there."""
    enclosed: dict[str, list[float]] = defaultdict(list)
    every: dict[str, list[float]] = defaultdict(list)
    held = []
    for left_out in splits:
        fitted = fit(chosen(runs, ~left_out), progress=False)
        there = chosen(runs, left_out)
        for group in groups_of(there):
            for name, law in methods(fitted).items():
                excess = group.excess(law(group.factors))
                every[name].append(excess)
                enclosed[name].extend([excess] * group.enclosed)
        for best in find_optima(there):
            scaled = fitted.predict(**best.factors)
            held.extend([scaled.low <= best.lr <= scaled.high] * (not best.edge))
    return Measured(enclosed, every, held)


def report(runs: Runs) -> str:
    """Both tables, in Markdown."""
    sizes, tokens = runs.factors["N"], runs.factors["D"]
    pairs = np.unique(np.stack([sizes, tokens], axis=1), axis=0)
    each = measure(runs, [(sizes == size) & (tokens == horizon) for size, horizon in pairs])
    larger = measure(runs, [sizes >= LARGE])
    groups = len(next(iter(each.every.values())))
    columns = ["median", "90th percentile", "worst"]
    rows = [
        [name, *figures(one), *figures(each.every[name])] for name, one in each.enclosed.items()
    ]
    beyond = [[name, *figures(one)] for name, one in larger.enclosed.items()]
    said = f"{len(pairs)} pairs of model size and tokens, each left out in turn"
    parts = [
        f"{len(runs.lr):,} runs, {said}: {len(each.held)} groups with an enclosed best rate, of {groups}.",
        markdown(["excess loss, %", *columns, *(f"{one}, all" for one in columns)], rows),
        f"Our 80 % interval held the best rate of {each.share_held} of the enclosed groups.",
        "Fitted to the models below a billion parameters, asked at 1.07 billion:",
        markdown(["excess loss, %", *columns], beyond),
        f"There the interval held {larger.share_held}.",
    ]
    return "\n\n".join(parts)


def main() -> None:
    """Measure, print, and write the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    folder = os.environ.get("LEARNRATE_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(folder), help=f"folder of {FILE}")
    parser.add_argument("--page", type=Path, help="page of the docs to redraw the table in")
    arguments = parser.parse_args()
    file = arguments.data / FILE
    if not file.exists():
        raise SystemExit(f"{file} is not there: name its folder by --data or LEARNRATE_DATA.")
    text = report(read_runs(file, COLUMNS))
    print(text)
    if arguments.page is not None:
        write_section(arguments.page, "steplaw", text)


if __name__ == "__main__":
    main()
