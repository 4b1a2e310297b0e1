"""The planned rate beside optimizers that need no rate, at equal cost, on a cell of each of ten domains.

    python benchmarks/compare.py [--cells NAME ...] [--page docs/how-to/compare.md]

The cells are those of `benchmarks/regret`. They were chosen by their cost, before anything was compared.
A cell that `results/compare.jsonl` has is not compared again. About ten minutes on one core.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from statistics import median

import torch
from _page import parser_of, show, table
from regret.cells import CELLS

from learnrate.comparing import TUNING_FREE, Comparison, Difference, Standing, compare

RESULTS = Path(__file__).parent / "results" / "compare.jsonl"
FOLDER = Path(__file__).parent.parent / "build" / "compare"
CHOSEN = (
    "digits-mlp-adamw-b64-t400",
    "wine-bn-sgd-b16-t200",
    "diabetes-mlp-sgd-b8-t500",
    "claims-mlp-sgd-b64-t300",
    "digits-pairs-adam-b32-t600",
    "digits-vae-rmsprop-b64-t300",
    "nottem-gru-rmsprop-b8-t200",
    "digits-gcn-adamw-full-t200",
    "moons-flow-adam-b64-t500",
    "digits-adapted-adamw-b16-t300",
)


def stored() -> dict[str, Comparison]:
    """The comparisons that were made, by cell."""
    if not RESULTS.exists():
        return {}
    rows = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    return {row["cell"]: Comparison.from_dict(row["comparison"]) for row in rows}


def measure(name: str) -> Comparison:
    """Compare on a cell, and store the result."""
    cell = next(cell for cell in CELLS if cell.name == name)
    comparison = compare(
        cell.task(), total_steps=cell.total_steps, out=FOLDER / name, progress=False
    )
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps({"cell": name, "comparison": comparison.to_dict()}) + "\n")
    return comparison


def table_of(comparisons: dict[str, Comparison]) -> str:
    """A row for each optimizer: on how many cells it ends lower, and by how much in the median."""
    differences: dict[str, list[Difference]] = {name: [] for name in TUNING_FREE}
    for comparison in comparisons.values():
        for difference in comparison.differences:
            differences[difference.name].append(difference)
    rows = []
    for name, of_optimizer in differences.items():
        counts = Counter(difference.standing for difference in of_optimizer)
        shares = [difference.share for difference in of_optimizer if difference.share is not None]
        middle = f"{median(shares):+.1%}" if shares else "-"
        rows.append([name, *(str(counts[standing]) for standing in Standing), middle])
    header = ["optimizer", "ends lower", "ends higher", "cannot be told apart", "did not finish"]
    return table([*header, "median difference"], rows)


def main() -> None:
    """Compare what is missing, print the table, and write it into a page if one is given."""
    parser = parser_of(__doc__)
    parser.add_argument("--cells", nargs="*", default=CHOSEN, choices=CHOSEN)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    comparisons = stored()
    for name in arguments.cells:
        if name not in comparisons:
            comparisons[name] = measure(name)
            for difference in comparisons[name].differences:
                print(f"{name}: {difference.reason}", flush=True)
    cells = [name for name in CHOSEN if name in comparisons]
    text = f"{table_of(comparisons)}\n\n{len(cells)} of {len(CHOSEN)} cells: {', '.join(cells)}."
    show(text, arguments.page, "compare")


if __name__ == "__main__":
    main()
