"""How far is a chosen rate from the best one? Every finder against exhaustive sweeps.

    PYTHONPATH=benchmarks python -m regret truth    # the sweeps: half an hour of processor time
    PYTHONPATH=benchmarks python -m regret rows     # each method's rates, and whole runs at them
    PYTHONPATH=benchmarks python -m regret table    # the summary, from what is stored
    PYTHONPATH=benchmarks python -m regret replay   # the plan on the stored sweeps: a minute or two
    PYTHONPATH=benchmarks python -m regret steepness    # depth and noise against slope, in the sweeps

Every command takes `--cells WORD,WORD` (cells whose names hold a word). The first two take
`--data FOLDER` (or LEARNRATE_DATA) and `--jobs N` processes; `rows` also `--methods WORD,WORD`,
`--again WORD,WORD`, `--seeds N` and `--judges N`; `table` writes pages and pictures with `--page`;
`replay` takes `--data`, `--seeds`, `--budget` and `--training` (its trials are trained, in ten
minutes), and leaves out the cells that are kept apart, as `steepness` does.
What is known is not measured again, and a killed command goes on where it was. `make regret`
installs the peers and runs all three.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

import torch

from . import replay, rows, steepness, table, truth
from .cells import chosen_cells
from .workers import each


def main() -> None:
    """Run the command asked for."""
    asked = _arguments()
    if asked.data is not None:
        os.environ["LEARNRATE_DATA"] = asked.data
    cells = chosen_cells(asked.cells)
    if asked.command == "truth":
        each(cells, truth.measure, asked.jobs)
    elif asked.command == "rows":
        wanted = rows.Asked(asked.methods, asked.again, asked.seeds, asked.judges)
        each(cells, partial(rows.measure, wanted), asked.jobs)
        rows.tidy()
    elif asked.command == "replay":
        torch.set_num_threads(1)
        replay.show(cells, asked.budget, asked.seeds, training=asked.training)
    elif asked.command == "steepness":
        steepness.show(cells)
    else:
        table.show(cells, asked.page)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="regret", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=["truth", "rows", "table", "replay", "steepness"])
    parser.add_argument("--cells", default="", help="words in names, parted by commas")
    parser.add_argument("--data", help="the folder of the data sets")
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--methods", default="", help="words in names, parted by commas")
    parser.add_argument("--again", default="", help="methods whose rows are measured again")
    parser.add_argument("--seeds", type=int, default=3, help="of each method's own")
    parser.add_argument("--judges", type=int, default=99, help="runs at each rate, at most")
    parser.add_argument("--budget", type=float, default=0.5, help="of the plans replayed")
    parser.add_argument("--training", action="store_true", help="train the trials of a replay")
    parser.add_argument("--page", type=Path, help="write the tables into this page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
