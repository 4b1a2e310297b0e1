"""How far is a chosen rate from the best one? Every finder against exhaustive sweeps.

    PYTHONPATH=benchmarks python -m regret truth    # the sweeps: half an hour of processor time
    PYTHONPATH=benchmarks python -m regret rows     # each method's rates, and whole runs at them
    PYTHONPATH=benchmarks python -m regret table    # the summary, from what is stored
    PYTHONPATH=benchmarks python -m regret replay   # the plan on the stored sweeps: a minute or two
    PYTHONPATH=benchmarks python -m regret steepness    # depth and noise against slope, in the sweeps
    PYTHONPATH=benchmarks python -m regret usual    # what the usual rate of weights is fitted to
    PYTHONPATH=benchmarks python -m regret packaged # the sweeps of whole runs, for the package's claims

Every command takes `--cells WORD,WORD` (cells whose names contain a word). The first two take
`--data FOLDER` (or LEARNRATE_DATA) and `--jobs N` processes; `rows` also takes `--methods WORD,WORD`,
`--again WORD,WORD`, `--seeds N` and `--judges N`; `table` writes pages and pictures with `--page`.
`truth` takes `--whole` to leave the shorter lengths for another time.
`replay` takes `--data`, `--seeds`, `--budget` and `--training` (its trials are trained, which takes
ten minutes). `replay` and `steepness` leave out the held-out cells.
What is stored is not measured again, and a killed command continues where it stopped. `make regret`
installs the peers and runs the first three commands.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

import torch

from . import packaged_sweeps, replay, rows, steepness, table, truth, usual
from .cells import chosen_cells
from .workers import run_jobs


def main() -> None:
    """Run the command."""
    arguments = _arguments()
    if arguments.data is not None:
        os.environ["LEARNRATE_DATA"] = arguments.data
    cells = chosen_cells(arguments.cells)
    if arguments.command == "truth":
        run_jobs(cells, partial(truth.measure, whole=arguments.whole), arguments.jobs)
    elif arguments.command == "rows":
        selection = rows.RowSelection(
            arguments.methods, arguments.again, arguments.seeds, arguments.judges
        )
        run_jobs(cells, partial(rows.measure, selection), arguments.jobs)
        rows.tidy()
    elif arguments.command == "replay":
        torch.set_num_threads(1)
        replay.show(cells, arguments.budget, arguments.seeds, training=arguments.training)
    elif arguments.command == "steepness":
        steepness.show(cells)
    elif arguments.command == "usual":
        usual.show()
    elif arguments.command == "packaged":
        packaged_sweeps.write(cells)
    else:
        table.show(cells, arguments.page)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="regret", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "command", choices=["truth", "rows", "table", "replay", "steepness", "usual", "packaged"]
    )
    parser.add_argument("--cells", default="", help="words in names, separated by commas")
    parser.add_argument("--data", help="folder of the data sets")
    parser.add_argument("--jobs", type=int, default=2, help="processes with one thread each")
    parser.add_argument("--methods", default="", help="words in names, separated by commas")
    parser.add_argument(
        "--again", default="", help="methods whose rows are measured again; words in names"
    )
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each method")
    parser.add_argument(
        "--judges", type=int, default=99, help="largest number of runs at each rate"
    )
    parser.add_argument("--whole", action="store_true", help="truth at the full length alone")
    parser.add_argument("--budget", type=float, default=0.5, help="budget of the replayed plans")
    parser.add_argument("--training", action="store_true", help="train the trials of a replay")
    parser.add_argument("--page", type=Path, help="write the tables into this page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
