"""How far is a chosen rate from the best one? Every finder against exhaustive sweeps.

    PYTHONPATH=benchmarks python -m regret truth              # the sweeps; hours on a laptop
    PYTHONPATH=benchmarks python -m regret rows               # each method's rates and final runs
    PYTHONPATH=benchmarks python -m regret table              # the summary, from what is stored

Every command takes `--cells WORD,WORD` (cells whose names hold a word) and `--data FOLDER`; the
first two `--jobs N` processes. What is known is not measured again, and a killed command goes on
where it was. `make regret` installs the peers and runs all three.
"""

from __future__ import annotations

import argparse
import os

from .cells import chosen_cells
from .workers import each


def main() -> None:
    """Run the command asked for."""
    asked = _arguments()
    if asked.data is not None:
        os.environ["LEARNRATE_DATA"] = asked.data
    cells = chosen_cells(asked.cells)
    if asked.command == "truth":
        from . import truth  # noqa: PLC0415

        each(cells, truth.measure, asked.jobs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="regret", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=["truth", "rows", "table"])
    parser.add_argument("--cells", default="", help="words, parted by commas")
    parser.add_argument("--data", help="the folder of the data sets")
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    return parser.parse_args()


if __name__ == "__main__":
    main()
