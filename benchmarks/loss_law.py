"""How far predicted losses are off: runs that were made, each predicted from one or two others.

    python benchmarks/loss_law.py                     # small trainings on this machine, a minute
    python benchmarks/loss_law.py --curves FILE       # and the published curves of a csv file
    python benchmarks/loss_law.py --page docs/how-to/predict.md

The file has the columns run, peak_lr, schedule (cos or wsd), decay, decay_share, warmup, total, step,
val_loss and lr, and those that say which model and data a run has (`SETTING`).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from _page import parser_of, show, table
from sklearn.datasets import load_diabetes, load_digits
from torch.nn import Linear, ReLU, Sequential, functional

from learnrate import ArgumentError
from learnrate.forecasting import LossCurve, fit_loss_law
from learnrate.schedules import Schedule, schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

SETTING = ["dataset", "n_layer", "n_embd", "batch_sequences"]
UPDATES = 1500
SHAPES = (
    "warmup(5%) >> cosine()",
    "warmup(5%) >> cosine(floor=0.3)",
    "warmup(5%) >> linear()",
    "warmup(5%) >> constant() >> linear(20%)",
    "warmup(5%) >> constant()",
)


@dataclass
class MadeRun:
    """A run that was made, which others are predicted from and which is predicted itself."""

    curve: LossCurve
    schedule: Schedule
    last: float


@dataclass
class Work:
    """A model, and the rows that it is trained on."""

    model: Sequential
    rows: torch.Tensor
    targets: torch.Tensor
    criterion: Callable[..., torch.Tensor]


def main() -> None:
    """Print the table, and write it into a page if one is given."""
    parser = parser_of(__doc__)
    parser.add_argument("--curves", type=Path, help="a csv file of published curves")
    parser.add_argument("--left-out", action="store_true", help="only the families left out")
    arguments = parser.parse_args()
    groups = {} if arguments.left_out else small_trainings()
    if arguments.curves:
        groups |= published(arguments.curves)
    tables = {} if arguments.left_out else {"loss_law": table_of(groups)}
    if arguments.curves:
        tables["loss_law_left_out"] = left_out_table(published(arguments.curves))
    for name, text in tables.items():
        show(text, arguments.page, name)


def table_of(groups: dict[str, list[MadeRun]]) -> str:
    """Errors of the last loss by kind of run and number of runs learned from, in percent."""
    missed: dict[tuple[str, int], list[tuple[float, bool]]] = defaultdict(list)
    for name, runs in groups.items():
        domain = name.partition(":")[0]
        for count in (1, 2):
            for known in some_of(list(itertools.combinations(runs, count))):
                missed[domain, count].extend(misses(known, runs))
    rows = []
    for (domain, count), pairs in sorted(missed.items()):
        errors, is_inside = np.array(pairs).T
        median, high = (f"{100 * np.quantile(errors, share):.2g} %" for share in (0.5, 0.9))
        known = f"{count} run{'s' * (count > 1)}"
        rows.append([domain, known, median, high, f"{is_inside.mean():.0%}", f"{len(errors)}"])
    header = [
        "predicted",
        "from",
        "median error",
        "90th percentile",
        "in its interval",
        "predictions",
    ]
    return table(header, rows)


def some_of(choices: Sequence[Any], most: int = 8) -> Sequence[Any]:
    """At most so many choices, spread evenly."""
    return choices[:: max(1, len(choices) // most)]


def misses(known: Sequence[MadeRun], runs: Sequence[MadeRun]) -> Iterator[tuple[float, bool]]:
    """The relative error of the last loss of every other run, and whether its interval held it."""
    try:
        law = fit_loss_law([run.curve for run in known])
    except ArgumentError:  # peaks too far apart, or no decay among them
        return
    for run in runs:
        if any(run is other for other in known):
            continue
        try:
            predicted = law.predict(run.schedule)
        except ArgumentError:
            continue
        is_inside = predicted.low[-1] <= run.last <= predicted.high[-1]
        yield abs(predicted.loss[-1] / run.last - 1), is_inside


# Families left out

TRANSFER = 0.1  # what the library has
NORMAL_90 = 1.2816  # standard deviations on each side of an 80 % interval
WIDTHS = (
    0.025,
    0.035,
    0.05,
    0.07,
    0.1,
    0.14,
    0.2,
    0.28,
)  # how far the law is off, shares of the fall


def left_out_table(groups: dict[str, list[MadeRun]]) -> str:
    """Each family of runs, with the width of the interval chosen by the other families."""
    missed = {name: list(known_misses(runs)) for name, runs in groups.items()}
    missed = {name: cases for name, cases in missed.items() if cases}
    rows = []
    for name, cases in missed.items():
        others = [other for key, other in missed.items() if key != name]
        width = min(WIDTHS, key=lambda w: abs(np.mean([share_inside(o, w) for o in others]) - 0.8))
        errors = [error for error, _, _ in cases]
        median, high = (f"{100 * np.quantile(errors, share):.2g} %" for share in (0.5, 0.9))
        family = name.partition(":")[2].strip("()").replace("'", "")
        rows.append(
            [family, median, high, f"{width:g}", f"{share_inside(cases, width):.0%}", len(cases)]
        )
    header = [
        "left out: data, layers, width, batch",
        "median error",
        "90th percentile",
        "width by the others",
        "in its interval",
        "predictions",
    ]
    return table(header, [[str(value) for value in row] for row in rows])


def known_misses(runs: list[MadeRun]) -> Iterator[tuple[float, float, float]]:
    """The relative error of each last loss, the same as a share of the fall, and the law's variance.

    The variance is that of the parameters and of what the law is off along a curve, in units of the
    fall of the loss.
    """
    for count in (1, 2):
        for known in some_of(list(itertools.combinations(runs, count)), most=4):
            try:
                law = fit_loss_law([run.curve for run in known])
            except ArgumentError:
                continue
            without_misfit = replace(law, misfit=0.0)
            along = law.misfit**2 - TRANSFER**2
            for run in runs:
                if any(run is other for other in known):
                    continue
                try:
                    predicted = without_misfit.predict(run.schedule)
                except ArgumentError:
                    continue
                error = predicted.loss[-1] - run.last
                std = (predicted.high[-1] - predicted.low[-1]) / (2 * NORMAL_90) / law.fall
                yield abs(error / run.last), abs(error) / law.fall, std**2 + along


def share_inside(cases: list[tuple[float, float, float]], width: float) -> float:
    """The share of last losses in their 80 % interval, if the law is off by `width` of the fall."""
    return float(
        np.mean([error <= NORMAL_90 * np.hypot(np.sqrt(v), width) for _, error, v in cases])
    )


# Small trainings


def small_trainings() -> dict[str, list[MadeRun]]:
    """Curves of three small models under `SHAPES`, at two peaks each."""
    groups = defaultdict(list)
    works = [(digits, "sgd", 0.1), (digits, "adam", 0.003), (table_rows, "adam", 0.003)]
    runs = list(itertools.product(works, (1.0, 0.5), SHAPES))
    for (make, kind, peak), factor, shape in runs:
        run = trained(make(), kind, f"{peak * factor} * {shape}")
        groups[f"small models:{make.__name__} {kind}"].append(run)
    return groups


def digits() -> Work:
    """Images of digits and a small network."""
    data = load_digits()
    rows = torch.tensor(data.data / 16, dtype=torch.float32)
    model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    return Work(model, rows, torch.tensor(data.target), functional.cross_entropy)


def table_rows() -> Work:
    """Rows of a table with a number to predict, and a small network."""
    data = load_diabetes()
    rows = torch.tensor(data.data * 20, dtype=torch.float32)
    targets = torch.tensor(data.target[:, None] / 77 - 2, dtype=torch.float32)
    model = Sequential(Linear(10, 16), ReLU(), Linear(16, 1))
    return Work(model, rows, targets, functional.mse_loss)


def trained(work: Work, kind: str, text: str) -> MadeRun:
    """A training, with the loss over all of its rows."""
    torch.manual_seed(0)
    for module in work.model:
        if isinstance(module, Linear):
            module.reset_parameters()
    optimizer = (
        torch.optim.SGD(work.model.parameters(), lr=0.1, momentum=0.9)
        if kind == "sgd"
        else torch.optim.AdamW(work.model.parameters(), lr=0.1)
    )
    bound = schedule(text).over(UPDATES)
    rates = bound.table()
    steps, losses = [], []
    for step, lr in enumerate(rates):
        if step % 15 == 0:
            steps.append(step)
            losses.append(whole_loss(work))
        optimizer.param_groups[0]["lr"] = float(lr)
        batch = torch.randint(len(work.rows), (32,))
        optimizer.zero_grad()
        work.criterion(work.model(work.rows[batch]), work.targets[batch]).backward()
        optimizer.step()
    last = whole_loss(work)
    curve = LossCurve(
        name=text, lr=rates, step=np.array([*steps, UPDATES]), loss=np.array([*losses, last])
    )
    return MadeRun(curve, bound, last)


def whole_loss(work: Work) -> float:
    """The loss over all rows."""
    with torch.no_grad():
        return work.criterion(work.model(work.rows), work.targets).item()


# Published curves


def published(file: Path) -> dict[str, list[MadeRun]]:
    """Runs of language models by setting, those that begin with their curve."""
    import pandas as pd  # noqa: PLC0415 - needed for the published curves alone

    groups = defaultdict(list)
    for setting, runs in pd.read_csv(file).groupby(SETTING):
        for number, points in runs.sort_values("step").groupby("run"):
            run = published_run(str(number), points)
            if run is not None:
                groups[f"published language models:{setting}"].append(run)
    return groups


def published_run(name: str, points: pd.DataFrame) -> MadeRun | None:
    """None for a curve that begins at a branch or diverged."""
    first = points.iloc[0]
    known = points[points.val_loss.notna()]
    bound = published_schedule(first, points.lr.iloc[-1])
    if len(known) < 40 or known.step.min() > 0.05 * first.total or known.val_loss.iloc[-1] > 5:
        return None
    losses = known.val_loss.to_numpy()
    curve = LossCurve(name=name, lr=bound.table(), step=known.step.to_numpy(), loss=losses)
    return MadeRun(curve, bound, float(losses[-1]))


def published_schedule(run: pd.Series, last_rate: float) -> Schedule:
    """The schedule that a published run was trained under."""
    total, peak, warmup = int(run.total), run.peak_lr, int(run.warmup)
    if run.schedule == "cos":
        floor = ">> cosine(floor=0.1)" if last_rate > 0.05 * peak else ">> cosine()"
        return schedule(f"{peak} * warmup({warmup}) {floor}").over(total)
    decay = int(run.decay_share * total)
    shape = {"linear": "linear", "sqrt": "one_minus_sqrt"}[run.decay]
    end = f" >> {shape}({decay})" if decay else ""
    return schedule(f"{peak} * warmup({warmup}) >> constant(){end}").over(total)


if __name__ == "__main__":
    main()
